package conntrack

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	slow     = Confirmed | SeenReply
	software = slow | Offload
	hardware = software | HWOffload
)

// told plays a script and compares.
func told(t *testing.T, s *script, m Match, want ...string) {
	t.Helper()
	got, err := s.play(m)
	require.NoError(t, err)
	assert.Equal(t, want, brief(got))
}

func TestChangesLifeOfAFlow(t *testing.T) {
	told(t, &script{steps: []func(*script){
		func(s *script) { s.create(flowNumber(1, Confirmed, 1)) },
		func(s *script) { s.set(flowNumber(1, software, 4)) },
		func(s *script) { s.set(flowNumber(1, software, 9)) },
		func(s *script) { s.set(flowNumber(1, hardware, 20)) },
		func(s *script) { s.set(flowNumber(1, slow|HWOffload, 20)) },
		func(s *script) { s.set(flowNumber(1, slow, 21)) },
		func(s *script) { s.destroy(flowNumber(1, slow, 25)) },
	}}, Match{},
		"new #1 slow +0",
		"counted #1 slow +1", // the reading after the notification
		"path changed #1 slow->software +3",
		"counted #1 software +5",
		"path changed #1 software->hardware +11",
		"path changed #1 hardware->slow +1",
		"destroyed #1 slow +4",
	)
}

// A match by path selects flows, not moments.
func TestChangesFollowsAFlowBackToSlow(t *testing.T) {
	s := &script{
		table: []Entry{flowNumber(1, slow, 3), flowNumber(2, software, 7)},
		steps: []func(*script){
			func(s *script) { s.set(flowNumber(1, slow, 5)) }, // never matched: not told
			func(s *script) { s.set(flowNumber(1, software, 6)) },
			func(s *script) { s.set(flowNumber(2, slow, 8)) },
			func(s *script) { s.set(flowNumber(2, slow, 10)) },
			func(s *script) { s.set(flowNumber(2, software, 11)) },
			func(s *script) { s.destroy(flowNumber(2, software, 12)) },
		},
	}
	told(t, s, Match{Paths: []Path{Software, Hardware}},
		"new #2 software +7",
		"new #1 software +6",
		"path changed #2 software->slow +1",
		"counted #2 slow +2",
		"path changed #2 slow->software +1",
		"destroyed #2 software +1",
	)
}

func TestChangesTellsAStepShownOnlyByTheLastMessage(t *testing.T) {
	told(t, &script{
		table: []Entry{flowNumber(1, slow, 3)},
		steps: []func(*script){func(s *script) { s.destroy(flowNumber(1, software, 9)) }},
	}, Match{}, "new #1 slow +3", "path changed #1 slow->software +0", "destroyed #1 software +6")
}

func TestChangesFlowThatCameAndWentBetweenReadings(t *testing.T) {
	told(t, &script{steps: []func(*script){
		func(s *script) {
			s.create(flowNumber(1, slow, 1))
			s.destroy(flowNumber(1, slow, 2))
			s.create(flowNumber(2, slow, 1))
			s.destroy(flowNumber(2, hardware, 50))
		},
	}}, Match{Paths: []Path{Hardware}}, "new #2 hardware +0", "destroyed #2 hardware +50")
}

func TestChangesCountersSetBack(t *testing.T) {
	told(t, &script{
		table: []Entry{flowNumber(1, slow, 100)},
		steps: []func(*script){
			func(s *script) { s.set(flowNumber(1, slow, 8)) },
			func(s *script) { s.set(flowNumber(1, slow, 10)) },
		},
	}, Match{}, "new #1 slow +100", "counted #1 slow +8", "counted #1 slow +2")
}

// The same tuple and the same id, destroyed and made again while the table is read: the reading has the new counters
// before the notifications are read.
func TestChangesSameKeyMadeAgainDuringAReading(t *testing.T) {
	again := false
	s := &script{table: []Entry{flowNumber(0, slow, 1), flowNumber(1, slow, 50)}, steps: []func(*script){func(s *script) {
		s.inDump = func(s *script, after Entry) {
			if !again && after.ID == 1000 {
				again = true
				s.destroy(flowNumber(1, slow, 60))
				s.create(flowNumber(1, slow, 2))
			}
		}
	}, func(s *script) { s.set(flowNumber(1, slow, 5)) }}}
	told(t, s, Match{}, "new #0 slow +1", "new #1 slow +50", "destroyed #1 slow +10", "new #1 slow +2", "counted #1 slow +3")
}

// An update that was queued before the reading, and says slow where the reading says software.
func TestChangesOldNotificationDoesNotUndoAReading(t *testing.T) {
	first := true
	s := &script{table: []Entry{flowNumber(0, slow, 1), flowNumber(1, slow, 2)}, steps: []func(*script){func(s *script) {
		s.inDump = func(s *script, after Entry) {
			if first && after.ID == 1000 {
				first = false
				s.update(flowNumber(1, slow|Assured, 3))
				s.set(flowNumber(1, software|Assured, 4))
			}
		}
	}}}
	told(t, s, Match{}, "new #0 slow +1", "new #1 slow +2", "path changed #1 slow->software +2")
}

func TestChangesUpdateTellsThePathAtOnce(t *testing.T) {
	s := &script{table: []Entry{flowNumber(1, slow, 2)}, steps: []func(*script){
		func(s *script) { s.update(flowNumber(1, software|Assured, 3)) },
	}}
	got, err := s.play(Match{})
	require.NoError(t, err)
	assert.Equal(t, []string{"new #1 slow +2", "path changed #1 slow->software +0", "counted #1 software +1"}, brief(got))
	assert.Equal(t, Counters{2, 200, true}, got[1].Entry.Sent, "the notification had no counters: those last read stay")
	assert.Zero(t, s.lookups, "a notification younger than the reading needs no lookup")
}

// Connections older than any listener end without a message.
func TestChangesEndWithoutNotification(t *testing.T) {
	told(t, &script{table: []Entry{flowNumber(1, slow, 5)}, steps: []func(*script){
		func(s *script) { s.vanish(flowNumber(1, slow, 9)) },
		func(*script) {},
	}}, Match{}, "new #1 slow +5", "destroyed #1 slow +0 lost")
}

func TestChangesEndAnnouncedLateHasItsCounters(t *testing.T) {
	told(t, &script{table: []Entry{flowNumber(1, slow, 5)}, steps: []func(*script){
		func(s *script) { s.vanish(flowNumber(1, slow, 9)) },
		func(s *script) { s.notify(NotifyDestroy, flowNumber(1, slow, 9)) },
	}}, Match{}, "new #1 slow +5", "destroyed #1 slow +4")
}

func TestChangesNextIncarnationWithoutAnEnd(t *testing.T) {
	told(t, &script{table: []Entry{flowNumber(1, slow, 5)}, steps: []func(*script){
		func(s *script) { s.create(flowNumber(1, Confirmed, 1)) },
	}}, Match{}, "new #1 slow +5", "destroyed #1 slow +0 lost", "new #1 slow +0", "counted #1 slow +1")
}

func TestChangesOverrunIsFollowedByTheDifferences(t *testing.T) {
	s := &script{
		table: []Entry{flowNumber(1, slow, 1), flowNumber(2, software, 1), flowNumber(3, slow, 1)},
		steps: []func(*script){
			func(s *script) {
				s.queue = append(s.queue, ErrOverrun)
				s.vanish(flowNumber(1, slow, 1))
				s.set(flowNumber(2, slow, 5))
				s.set(flowNumber(4, software, 2))
			},
			func(*script) {},
		},
	}
	got, err := s.play(Match{})
	require.NoError(t, err)
	assert.Equal(t, []string{
		"new #1 slow +1", "new #2 software +1", "new #3 slow +1",
		"overrun", "path changed #2 software->slow +4", "new #4 software +2", "destroyed #1 slow +0 lost",
	}, brief(got))
	assert.True(t, got[3].Lost)
}

func TestChangesWithoutCounters(t *testing.T) {
	bare := func(status Status) Entry { e := flowNumber(1, status, 0); return e.uncounted() }
	s := &script{table: []Entry{bare(slow)}, steps: []func(*script){
		func(s *script) { s.set(bare(software)) },
		func(s *script) { s.destroy(bare(software)) },
	}}
	got, err := s.play(Match{})
	require.NoError(t, err)
	assert.Equal(t, []string{"new #1 slow +0", "path changed #1 slow->software +0", "destroyed #1 software +0"}, brief(got))
	for _, c := range got {
		assert.False(t, c.Delta.Sent.OK, "accounting is off: nothing is known, which is not zero")
	}
}

func TestChangesReadsTheTableInsteadOfManyLookups(t *testing.T) {
	s := &script{}
	n := usualLimits().manyLookups + 50
	for i := range n {
		s.table = append(s.table, flowNumber(i, software, 1))
	}
	s.steps = []func(*script){func(s *script) {
		for i := range n {
			s.set(flowNumber(i, slow, 2))
		}
	}}
	got, err := s.play(Match{Paths: []Path{Software}})
	require.NoError(t, err)
	assert.Len(t, got, 2*n)
	assert.Zero(t, s.lookups)
	for _, c := range got[n:] {
		assert.Equal(t, PathChanged, c.Kind)
		assert.Equal(t, Software, c.From)
	}
}

func TestChangesStopsWhereTheCallerDoes(t *testing.T) {
	s := &script{table: []Entry{flowNumber(1, slow, 1), flowNumber(2, slow, 1)}}
	w, err := Open(context.Background(), &Config{Source: s})
	require.NoError(t, err)
	seen := 0
	for _, err := range w.Changes(context.Background(), Match{}) {
		require.NoError(t, err)
		seen++
		break
	}
	assert.Equal(t, 1, seen)

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var last error
	for _, err := range w.Changes(ctx, Match{}) {
		last = err
		cancel()
	}
	assert.ErrorIs(t, last, context.Canceled)
}

func TestChangesRefusesABadMatch(t *testing.T) {
	w, err := Open(context.Background(), &Config{Source: &script{}})
	require.NoError(t, err)
	for _, err := range w.Changes(context.Background(), Match{Mark: 3, Mask: 1, Family: 7}) {
		assert.ErrorContains(t, err, "mark 0x3 has bits outside its mask 0x1")
		assert.ErrorContains(t, err, "family 7")
	}
	_, err = Open(context.Background(), &Config{Poll: -1})
	assert.ErrorContains(t, err, "must not be negative")
	assert.False(t, errors.Is(err, errStopped))
}
