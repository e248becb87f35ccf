package conntrack

import (
	"context"
	"encoding/json"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// held is a connection that so many references hold.
func held(e Entry, use uint32) Entry {
	e.Use = use
	return e
}

// TestWhatMayBeInAFlowtable: what `flow add` takes, and where nothing proves that no flow is there.
func TestWhatMayBeInAFlowtable(t *testing.T) {
	tcp := func(state State) Entry { return Entry{Orig: Tuple{Proto: TCP}, Status: slow, State: state} }
	udp := func(status Status) Entry { return Entry{Orig: Tuple{Proto: UDP}, Status: status} }
	for name, c := range map[string]struct {
		entry Entry
		want  Path
	}{
		"established, and held twice":       {held(tcp(TCPEstablished), 2), Unknown},
		"held by the table alone":           {held(tcp(TCPEstablished), 1), Slow},
		"the kernel does not say who holds": {tcp(TCPEstablished), Unknown},
		"ended":                             {held(tcp(TCPClose), 2), Unknown},
		"a beginning":                       {held(tcp(TCPSynReceived), 2), Slow},
		"TCP without an answer":             {held(Entry{Orig: Tuple{Proto: TCP}, State: TCPSynSent}, 2), Slow},
		"UDP":                               {held(udp(slow), 2), Unknown},
		"UDP without an answer":             {udp(Confirmed), Slow},
		"UDP without an answer, held":       {held(udp(Confirmed), 2), Unknown},
		"GRE":                               {held(Entry{Orig: Tuple{Proto: GRE}, Status: slow}, 3), Unknown},
		"ICMP":                              {held(Entry{Orig: Tuple{Proto: ICMP}, Status: slow}, 2), Slow},
		"a helper":                          {held(Entry{Orig: Tuple{Proto: TCP}, Status: slow, Helper: "ftp"}, 2), Slow},
		"sequence numbers rewritten":        {held(udp(slow|SeqAdjust), 2), Slow},
		"tagged":                            {held(udp(software), 2), Software},
		"hardware":                          {held(udp(hardware), 2), Hardware},
	} {
		t.Run(name, func(t *testing.T) {
			c.entry.Untagged = c.entry.mayBeInFlowtable()
			assert.Equal(t, c.want, c.entry.Path())
			text, err := json.Marshal(c.entry)
			require.NoError(t, err)
			assert.Contains(t, string(text), `"path":"`+c.want.String()+`"`)
			var back Path
			require.NoError(t, back.UnmarshalText([]byte(c.want.String())))
			assert.Equal(t, c.want, back)
		})
	}
}

// untaggedOf plays a script on a kernel that loses tags.
func untaggedOf(t *testing.T, s *script, m Match, want ...string) {
	t.Helper()
	got, err := s.playAll(Config{LosesTags: true}, m)
	require.NoError(t, err)
	var lines []string
	for _, line := range brief(got) {
		if line != "synced" {
			lines = append(lines, line)
		}
	}
	assert.Equal(t, want, lines)
}

// A step to unknown is told at once of a flow that had the tag, and of one that was slow when two readings show it. What notifications say
// of a path without telling who holds the connection is looked up, or changes nothing.
func TestChangesTellUnknown(t *testing.T) {
	is := func(status Status, count uint64, use uint32) func(*script) {
		return func(s *script) { s.set(held(flowNumber(1, status, count), use)) }
	}
	t.Run("the tag is lost, and the flow leaves", func(t *testing.T) {
		untaggedOf(t, &script{table: []Entry{held(flowNumber(1, software, 1), 2)}, steps: []func(*script){
			is(slow, 2, 2), is(slow, 3, 2), is(slow, 4, 1), func(s *script) { s.destroy(flowNumber(1, slow, 5)) },
		}}, Match{}, "new #1 software +1", "path changed #1 software->unknown +1", "counted #1 unknown +1", "path changed #1 unknown->slow +1",
			"destroyed #1 slow +1")
	})
	t.Run("a packet under way", func(t *testing.T) {
		untaggedOf(t, &script{table: []Entry{held(flowNumber(1, slow, 1), 1)}, steps: []func(*script){
			is(slow, 2, 2), is(slow, 3, 1), is(slow, 4, 2), is(slow, 5, 1),
		}}, Match{}, "new #1 slow +1", "counted #1 slow +1", "counted #1 slow +1", "counted #1 slow +1", "counted #1 slow +1")
	})
	t.Run("two readings in a row", func(t *testing.T) {
		untaggedOf(t, &script{table: []Entry{held(flowNumber(1, slow, 1), 1)}, steps: []func(*script){
			is(slow, 2, 2), is(slow, 3, 2), is(slow, 4, 2),
		}}, Match{}, "new #1 slow +1", "counted #1 slow +1", "path changed #1 slow->unknown +1", "counted #1 unknown +1")
	})
	t.Run("notifications", func(t *testing.T) {
		untaggedOf(t, &script{table: []Entry{held(flowNumber(1, slow, 1), 2)}, steps: []func(*script){
			func(s *script) { s.update(flowNumber(1, slow|Assured, 1)); is(slow|Assured, 2, 2)(s) },
			func(s *script) { s.destroy(flowNumber(1, slow|Assured, 3)) },
		}}, Match{}, "new #1 unknown +1", "counted #1 unknown +1", "destroyed #1 unknown +1")
	})
}

// Source and kernel know no Unknown: to them it is slow, and more is asked for than matches.
func TestMatchUnknown(t *testing.T) {
	s := &script{table: []Entry{
		held(flowNumber(1, slow, 1), 1), held(flowNumber(2, slow, 1), 2), held(flowNumber(3, software, 1), 2), held(flowNumber(4, hardware, 1), 2),
	}}
	numbers := func(w *Watcher, m Match) (list []uint32) {
		for e, err := range w.Entries(t.Context(), m) {
			require.NoError(t, err)
			list = append(list, e.ID-1000)
		}
		return list
	}
	loses, err := Open(t.Context(), &Config{Source: s, LosesTags: true})
	require.NoError(t, err)
	keeps, err := Open(t.Context(), &Config{Source: s})
	require.NoError(t, err)
	unknown, untagged := Match{Paths: []Path{Unknown}}, Match{Paths: []Path{Slow}}
	assert.Equal(t, []uint32{2}, numbers(loses, unknown))
	assert.Equal(t, []uint32{1}, numbers(loses, untagged))
	assert.Equal(t, []uint32{1, 2}, numbers(loses, Match{Paths: []Path{Slow, Unknown}}))
	assert.Equal(t, []uint32{2, 3, 4}, numbers(loses, loses.InFastPath()))
	assert.Empty(t, numbers(keeps, unknown))
	assert.Equal(t, []uint32{1, 2}, numbers(keeps, untagged))
	assert.Equal(t, []uint32{3, 4}, numbers(keeps, keeps.InFastPath()))
}

// sweeping is a Source that removes all that a Match has in one request, as a kernel does.
type sweeping struct {
	*script
	swept []Match
}

func (s *sweeping) DeleteAll(_ context.Context, m Match) error {
	s.swept = append(s.swept, m)
	return nil
}

// One request cannot tell slow from unknown: it would take too many.
func TestEvictOneOfSlowAndUnknown(t *testing.T) {
	for _, c := range []struct {
		paths []Path
		swept int
		goes  int
	}{{[]Path{Slow}, 0, 20}, {[]Path{Unknown}, 0, 20}, {[]Path{Slow, Unknown}, 1, 40}} {
		s := &sweeping{script: &script{}}
		for n := range 40 {
			s.table = append(s.table, held(flowNumber(n, slow, 1), uint32(1+n%2)))
		}
		w, err := Open(t.Context(), &Config{Source: s, LosesTags: true})
		require.NoError(t, err)
		gone, err := w.Evict(t.Context(), Match{Paths: c.paths}, false)
		require.NoError(t, err)
		assert.Len(t, gone, c.goes, "%v", c.paths)
		assert.Len(t, s.swept, c.swept, "%v", c.paths)
	}
}

// Who stays is told of flows that lost their tag since they were read, too.
func TestEvictEntriesTellsOfUntaggedThatStay(t *testing.T) {
	s := &script{table: []Entry{held(flowNumber(1, slow, 1), 2)}}
	w, err := Open(t.Context(), &Config{Source: deaf{s}, LosesTags: true})
	require.NoError(t, err)
	_, err = w.EvictEntries(t.Context(), []Entry{flowNumber(1, software, 1)})
	var stays *StaysError
	require.ErrorAs(t, err, &stays)
	assert.Equal(t, Unknown, stays.Entries[0].Path())
}

// deaf finds nothing to delete.
type deaf struct{ *script }

func (deaf) Delete(context.Context, Key) error { return fs.ErrNotExist }

// To the kernel's filter Unknown is Slow: what names it without Slow never goes by one request, on kernels that lose no tags either.
func TestEvictOfUnknownSparesSlow(t *testing.T) {
	s := &sweeping{script: &script{}}
	for n := range 40 {
		s.table = append(s.table, held(flowNumber(n, []Status{slow, software}[n%2], 1), 2))
	}
	w, err := Open(t.Context(), &Config{Source: s})
	require.NoError(t, err)
	gone, err := w.Evict(t.Context(), Match{Paths: []Path{Software, Unknown}}, false)
	require.NoError(t, err)
	assert.Len(t, gone, 20)
	assert.Empty(t, s.swept)
}

// A look that a notification calls for is newer than what is queued behind it: nothing is counted twice when the next incarnation is there
// already.
func TestLooksCountOnce(t *testing.T) {
	for _, loses := range []bool{false, true} {
		s := &script{table: []Entry{held(flowNumber(1, software, 10), 2)}, steps: []func(*script){
			func(*script) {},
			func(s *script) {
				s.update(flowNumber(1, slow, 10))
				s.destroy(flowNumber(1, slow, 12))
				s.create(held(flowNumber(1, slow, 0), 2))
				s.set(held(flowNumber(1, slow, 20), 2))
			}, func(*script) {}}}
		changes, err := s.playAll(Config{LosesTags: loses}, Match{})
		require.NoError(t, err)
		var sum uint64
		for _, c := range changes {
			sum += c.Delta.Sent.Packets
		}
		assert.Equal(t, uint64(12+20), sum, "%v: %v", loses, brief(changes))
	}
}

// No kernel is asked to tell Unknown from Slow, whoever asks.
func TestUnknownIsNotDeletable(t *testing.T) {
	for _, c := range []struct {
		paths []Path
		want  bool
	}{
		{[]Path{Slow}, true}, {[]Path{Slow, Unknown}, true}, {[]Path{Slow, Software, Unknown}, true},
		{[]Path{Unknown}, false}, {[]Path{Software, Unknown}, false}, {[]Path{Hardware, Unknown}, false}, {[]Path{Software, Hardware, Unknown}, false},
	} {
		m := Match{Paths: c.paths}
		assert.Equal(t, c.want, m.deletable(7, 3), "%v", c.paths)
	}
}
