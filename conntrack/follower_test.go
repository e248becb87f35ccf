package conntrack

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Synced stands behind the first reading and behind the one that follows an overrun, and when everything was told by then: what ended without
// a word too.
func TestChangesSynced(t *testing.T) {
	s := &script{
		table: []Entry{flowNumber(1, slow, 1), flowNumber(2, slow, 1)},
		steps: []func(*script){
			func(s *script) { s.set(flowNumber(2, slow, 2)) },
			func(s *script) {
				s.queue = append(s.queue, ErrOverrun)
				s.vanish(flowNumber(1, slow, 1))
				s.set(flowNumber(3, slow, 1))
			},
			func(*script) {}, // the time that is given to notifications of ends
			func(*script) {},
			func(*script) {},
		},
	}
	got, err := s.playAll(Config{}, Match{})
	require.NoError(t, err)
	assert.Equal(t, []string{
		"new #1 slow +1", "new #2 slow +1", "synced", "counted #2 slow +1",
		"overrun", "new #3 slow +1", "destroyed #1 slow +0 lost", "synced",
	}, brief(got))
}

// An end whose notification comes while it is being looked for is told with its counters.
func TestChangesEndDuringResync(t *testing.T) {
	told(t, &script{
		table: []Entry{flowNumber(1, slow, 1)},
		steps: []func(*script){
			func(s *script) {
				s.queue = append(s.queue, ErrOverrun)
				s.vanish(flowNumber(1, slow, 1))
			},
			func(s *script) { s.notify(NotifyDestroy, flowNumber(1, slow, 7)) },
			func(*script) {},
		},
	}, Match{}, "new #1 slow +1", "overrun", "destroyed #1 slow +6")
}

// With Config.Reliable the kernel's last message can come after its end was concluded: it is not told twice.
func TestChangesEndToldOnce(t *testing.T) {
	told(t, &script{
		table: []Entry{flowNumber(1, slow, 5)},
		steps: []func(*script){
			func(s *script) { s.vanish(flowNumber(1, slow, 5)) },
			func(*script) {},
			func(s *script) { s.notify(NotifyDestroy, flowNumber(1, slow, 9)) },
		},
	}, Match{}, "new #1 slow +5", "destroyed #1 slow +0 lost")
}

// Where any listener of the namespace is reliable, the kernel repeats ends to all until that one has room.
func TestChangesEndRepeated(t *testing.T) {
	end := flowNumber(1, slow, 9)
	told(t, &script{
		table: []Entry{flowNumber(1, slow, 5)},
		steps: []func(*script){
			func(s *script) { s.destroy(end) },
			func(s *script) { s.notify(NotifyDestroy, end); s.notify(NotifyDestroy, end) },
			func(s *script) { s.notify(NotifyDestroy, flowNumber(1, slow, 10)) }, // another connection, whose beginning was lost
			func(s *script) { s.notify(NotifyDestroy, flowNumber(1, slow, 10)) },
		},
	}, Match{}, "new #1 slow +5", "destroyed #1 slow +4", "new #1 slow +0", "destroyed #1 slow +10")
}

func TestRecentForgets(t *testing.T) {
	e := flowNumber(1, slow, 1)
	k := e.Key()
	p := packKey(&k)
	r := newRecent()
	assert.False(t, r.again(&p, &e))
	r.told(&p, &e)
	start := r.since
	for _, c := range []struct {
		seconds int
		want    bool
	}{{29, true}, {31, true}, {45, true}, {62, false}} {
		r.age(start.Add(time.Duration(c.seconds) * time.Second))
		assert.Equal(t, c.want, r.again(&p, &e), "after %d s", c.seconds)
	}
}

func TestChangesLimit(t *testing.T) {
	s := &script{
		table: []Entry{flowNumber(1, slow, 1), flowNumber(2, slow, 1), flowNumber(3, slow, 1), flowNumber(4, slow, 1)},
		steps: []func(*script){
			func(s *script) { s.set(flowNumber(3, slow, 2)) }, // nothing is told of what is left out
			func(s *script) { s.destroy(flowNumber(1, slow, 3)) },
			func(s *script) { s.destroy(flowNumber(4, slow, 2)) }, // but for its end
		},
	}
	got, err := s.playAll(Config{MaxFlows: 2}, Match{})
	require.NoError(t, err)
	assert.Equal(t, []string{
		"new #1 slow +1", "new #2 slow +1", "full", "full", // each reading says so
		"destroyed #1 slow +2", "new #3 slow +2", "full",
		"new #4 slow +0", "destroyed #4 slow +2", "synced",
	}, brief(got))
}

// What left the kernel's filter is looked up when it does, and then in turn: the cost of a reading does not grow with it.
func TestChangesLooksParkedFlowsUpInTurn(t *testing.T) {
	rotation := usualLimits().rotation
	n := 2 * rotation
	s := &script{}
	for i := range n {
		s.table = append(s.table, flowNumber(i, software, 1))
	}
	for i := range n + 10 { // a table big enough, so that flows are looked up one by one
		s.table = append(s.table, flowNumber(n+i, slow, 1))
	}
	var lookups []int
	look := func(s *script) { lookups = append(lookups, s.lookups); s.lookups = 0 }
	s.steps = []func(*script){
		func(s *script) {
			for i := range n {
				s.set(flowNumber(i, slow, 2))
			}
		},
		look,
		func(s *script) { look(s); s.set(flowNumber(n-1, slow, 3)) },
		look,
		func(s *script) { look(s); s.queue = append(s.queue, ErrOverrun) },
		look,
	}
	got, err := s.play(Match{Paths: []Path{Software}})
	require.NoError(t, err)
	assert.Equal(t, []int{n, rotation, rotation, rotation, n}, lookups[:5], "at once, in turn, and all of them after a loss")
	assert.Len(t, got, 2*n+2)
	assert.Equal(t, 1, len(slices.DeleteFunc(got, func(c Change) bool { return c.Kind != Counted })))
}

// Counters of everything set back at once, by conntrack -Z: memory stays bounded, and each tells what it counted since.
func TestChangesAllCountersSetBack(t *testing.T) {
	n := usualLimits().doubts + 100
	s := &script{}
	for i := range n {
		s.table = append(s.table, flowNumber(i, slow, 100))
	}
	s.steps = []func(*script){func(s *script) {
		for i := range s.table {
			s.table[i] = flowNumber(i, slow, 4)
		}
	}}
	got, err := s.play(Match{})
	require.NoError(t, err)
	require.Len(t, got, 2*n)
	for _, c := range got[n:] {
		require.Equal(t, Counted, c.Kind)
		require.EqualValues(t, 4, c.Delta.Sent.Packets)
	}
}

// Readings take no more than a tenth of a processor, within the bounds.
func TestPauseGrowsWithCost(t *testing.T) {
	cfg, err := (&Config{}).withDefaults()
	require.NoError(t, err)
	f := follower{cfg: &cfg, naming: &naming{}}
	for cost, want := range map[time.Duration]time.Duration{
		0: time.Second, 10 * time.Millisecond: time.Second, time.Second / 2: 6 * time.Second, 4 * time.Second: 48 * time.Second, time.Minute: 2 * time.Minute,
	} {
		assert.Equal(t, want, f.pause(cost), "%v", cost)
	}
	cfg, err = (&Config{Announced: map[uint32]string{1: "fast"}}).withDefaults()
	require.NoError(t, err)
	assert.Equal(t, 5*time.Second, cfg.Poll, "announcements tell the way in at once")
	cfg, err = (&Config{Poll: time.Hour}).withDefaults()
	require.NoError(t, err)
	assert.Equal(t, time.Hour, cfg.PollMost)
}

func TestAnnouncedNamesFlowtables(t *testing.T) {
	a, err := newAnnounced(map[uint32]string{0x100: "fast", 0x200: "slow"})
	require.NoError(t, err)
	for _, c := range []struct {
		status Status
		mark   uint32
		want   string
	}{
		{software, 0x101, "fast"}, {hardware, 0x200, "slow"}, {software, 1, ""},
		{slow, 0x100, ""},     // the bit stays when a flow leaves
		{software, 0x300, ""}, // which one came last?
	} {
		assert.Equal(t, c.want, a.flowtable(c.status, c.mark), "%+v", c)
	}
	_, err = newAnnounced(map[uint32]string{3: "two bits", 4: ""})
	assert.ErrorContains(t, err, "0x3")
	assert.ErrorContains(t, err, "0x4")
}
