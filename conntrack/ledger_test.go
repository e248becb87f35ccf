package conntrack

import (
	"bytes"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// marked is flowNumber with a mark.
func marked(n int, mark uint32, packets uint64) Entry {
	e := flowNumber(n, slow, packets)
	e.Mark = mark
	return e
}

// step makes the change from before, in packets sent, to what e shows.
func step(kind Kind, e Entry, before uint64) Change {
	old := flowNumber(0, slow, before)
	return Change{Kind: kind, Entry: e, Delta: Delta{Sent: e.Sent.since(old.Sent), Received: e.Received.since(old.Received)}}
}

func isNew(e Entry) Change { return step(New, e, 0) }

// isAnnounced is New by a notification: no counters.
func isAnnounced(e Entry) Change { return Change{Kind: New, Entry: e.uncounted()} }

func isLost(e Entry) Change { return Change{Kind: Destroyed, Lost: true, Entry: e} }

var isSynced = Change{Kind: Synced}

// account is what so many connections, live and ended, have counted: packets as flowNumber counts them.
func account(flows, live, sent uint64) Account {
	return Account{Flows: flows, Live: live, Sent: Counters{sent, sent * 100, true}, Received: Counters{sent / 2, sent * 30, true}}
}

func (a Account) but(lost, uncounted uint64) Account {
	a.Lost, a.Uncounted = lost, uncounted
	return a
}

// again saves a ledger and restores it.
func again[K comparable](t *testing.T, l *Ledger[K]) *Ledger[K] {
	t.Helper()
	var file bytes.Buffer
	require.NoError(t, l.Save(&file))
	restored, err := RestoreLedger(bytes.NewReader(file.Bytes()), l.key)
	require.NoError(t, err)
	require.Equal(t, maps.Collect(l.All()), maps.Collect(restored.All()), "what is restored is what was saved")
	var twice bytes.Buffer
	require.NoError(t, restored.Save(&twice))
	require.Equal(t, file.Bytes(), twice.Bytes())
	return restored
}

func addAll[K comparable](l *Ledger[K], changes ...Change) {
	for _, c := range changes {
		l.Add(c)
	}
}

func TestLedgerOfOneStream(t *testing.T) {
	bare := func(mark uint32) Entry { e := marked(1, mark, 0); return e.uncounted() }
	tests := map[string]struct {
		changes []Change
		want    map[uint32]Account
	}{
		"a life": {
			[]Change{isNew(marked(1, 7, 4)), isSynced, step(Counted, marked(1, 7, 10), 4), step(PathChanged, marked(1, 7, 12), 10),
				step(Destroyed, marked(1, 7, 20), 12)},
			map[uint32]Account{7: account(1, 0, 20)},
		},
		"one that was announced and ended before a reading": {
			[]Change{isSynced, isAnnounced(marked(1, 7, 0)), step(Destroyed, marked(1, 7, 20), 0)},
			map[uint32]Account{7: account(1, 0, 20)},
		},
		"two of one key": {
			[]Change{isNew(marked(1, 7, 4)), isNew(marked(2, 7, 6)), isSynced},
			map[uint32]Account{7: account(2, 2, 10)},
		},
		"a mark that changes": {
			[]Change{isNew(marked(1, 7, 4)), isSynced, step(Counted, marked(1, 8, 10), 4), step(Counted, marked(1, 7, 12), 10)},
			map[uint32]Account{7: account(2, 1, 6), 8: account(1, 0, 6)},
		},
		"a mark that is set late": {
			[]Change{isNew(marked(1, 0, 4)), isSynced, step(Counted, marked(1, 7, 10), 4), step(Destroyed, marked(1, 0, 16), 10)},
			map[uint32]Account{7: account(1, 0, 6)},
		},
		"a lost end": {
			[]Change{isNew(marked(1, 7, 4)), isSynced, isLost(marked(1, 7, 4))},
			map[uint32]Account{7: account(1, 0, 4).but(1, 0)},
		},
		"no counters": {
			[]Change{{Kind: New, Entry: bare(7)}, isSynced, {Kind: Destroyed, Entry: bare(7)}},
			map[uint32]Account{7: {Flows: 1, Uncounted: 1}},
		},
		"made again with the same id": {
			[]Change{isNew(marked(1, 7, 40)), isSynced, step(Destroyed, marked(1, 7, 50), 40), isAnnounced(marked(1, 7, 0)), step(Counted, marked(1, 7, 60), 0)},
			map[uint32]Account{7: account(2, 1, 110)},
		},
		"counters set back": {
			[]Change{isNew(marked(1, 7, 40)), isSynced, step(Counted, marked(1, 7, 8), 0), step(Counted, marked(1, 7, 10), 8)},
			map[uint32]Account{7: account(1, 1, 50)},
		},
		"an end whose counters are the next one's": { // the follower cannot tell what is whose, and says nothing
			[]Change{isNew(marked(1, 7, 40)), isSynced, {Kind: Destroyed, Entry: marked(1, 7, 20)}},
			map[uint32]Account{7: account(1, 0, 40)},
		},
		"an overrun and the end of being full": {
			[]Change{isNew(marked(1, 7, 4)), isNew(marked(2, 7, 6)), isSynced, {Kind: Overrun, Lost: true}, step(Counted, marked(1, 7, 10), 4), isSynced,
				{Kind: Full, Lost: true}, isSynced, step(Counted, marked(2, 7, 8), 6)},
			map[uint32]Account{7: account(2, 2, 18)},
		},
		"a stream that is joined in its middle": {
			[]Change{step(Counted, marked(1, 7, 10), 4), step(Destroyed, marked(2, 7, 4), 2)},
			map[uint32]Account{7: account(2, 1, 8)},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := NewLedger(ByMark)
			addAll(l, test.changes...)
			assert.Equal(t, test.want, maps.Collect(l.All()))
			again(t, l)
		})
	}
}

// Each case is one stream, a restart in one of two ways, and another stream.
func TestLedgerOfTwoStreams(t *testing.T) {
	began := func(e Entry, second int64) Entry { e.Start = time.Unix(second, 0); return e }
	first := []Change{isNew(marked(1, 7, 10)), isSynced}
	tests := map[string]struct {
		first, second []Change
		want          Account
	}{
		"nothing is told yet":          {first, nil, account(1, 1, 10)},
		"shown with the same counters": {first, []Change{isNew(marked(1, 7, 10)), isSynced}, account(1, 1, 10)},
		"shown with more": {
			first, []Change{isNew(marked(1, 7, 16)), isSynced, step(Counted, marked(1, 7, 20), 16), step(Destroyed, marked(1, 7, 30), 20)},
			account(1, 0, 30),
		},
		"shown with less":                {first, []Change{isNew(marked(1, 7, 6)), isSynced, step(Counted, marked(1, 7, 8), 6)}, account(2, 1, 18).but(1, 0)},
		"not shown, and not synced yet":  {first, []Change{isNew(marked(2, 7, 4))}, account(2, 2, 14)},
		"not shown, and synced":          {first, []Change{isNew(marked(2, 7, 4)), isSynced, isSynced}, account(2, 1, 14).but(1, 0)},
		"ended, and nobody else is left": {first, []Change{isSynced}, account(1, 0, 10).but(1, 0)},
		"overlooked by the first reading, which made it begin again": {
			first, []Change{isSynced, isNew(marked(1, 7, 16)), step(Counted, marked(1, 7, 20), 16)}, account(2, 1, 20).but(1, 0),
		},
		"ended during the first reading: the last message tells all": {
			first, []Change{isAnnounced(marked(1, 7, 0)), step(Destroyed, marked(1, 7, 30), 0), isSynced},
			account(1, 0, 30),
		},
		"told by an update before its counters are read": {
			first, []Change{isSynced, isAnnounced(marked(1, 7, 0)), step(Counted, marked(1, 7, 14), 0), step(Counted, marked(1, 7, 16), 14)},
			account(2, 1, 16).but(1, 0),
		},
		"made again, announced, and then read": {
			first, []Change{isAnnounced(marked(1, 7, 0)), isSynced, step(Counted, marked(1, 7, 4), 0), step(Counted, marked(1, 7, 16), 4)},
			account(2, 1, 26).but(1, 0),
		},
		"over, made again, announced, and then read": {
			first, []Change{isSynced, isAnnounced(marked(1, 7, 0)), step(Counted, marked(1, 7, 4), 0)},
			account(2, 1, 14).but(1, 0),
		},
		"announced, and the end was lost": {first, []Change{isSynced, isAnnounced(marked(1, 7, 0)), isLost(marked(1, 7, 0))}, account(2, 0, 10).but(2, 0)},
		"made again and ahead of the one before, which only the start tells": {
			[]Change{isNew(began(marked(1, 7, 10), 1)), isSynced}, []Change{isNew(began(marked(1, 7, 16), 2)), isSynced}, account(2, 1, 26).but(1, 0),
		},
		"the same start": {
			[]Change{isNew(began(marked(1, 7, 10), 1)), isSynced}, []Change{isNew(began(marked(1, 7, 16), 1)), isSynced}, account(1, 1, 16),
		},
		"the other start is told late": {
			[]Change{isNew(began(marked(1, 7, 10), 1)), isSynced},
			[]Change{isAnnounced(marked(1, 7, 0)), isSynced, step(Destroyed, began(marked(1, 7, 16), 2), 0)}, account(2, 0, 26).but(1, 0),
		},
		"without counters, and then with": {
			[]Change{isAnnounced(marked(1, 7, 0)), isSynced}, []Change{isNew(marked(1, 7, 16)), isSynced}, account(1, 1, 16),
		},
		"a lost end before anything was read": {first, []Change{isNew(marked(1, 7, 10)), isLost(marked(1, 7, 10)), isSynced}, account(1, 0, 10).but(1, 0)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := NewLedger(ByMark)
			addAll(l, test.first...)
			restored := again(t, l)
			l.Begin()
			addAll(l, test.second...)
			addAll(restored, test.second...)
			want := map[uint32]Account{7: test.want}
			assert.Equal(t, want, maps.Collect(l.All()), "the same ledger")
			assert.Equal(t, want, maps.Collect(restored.All()), "restored")
			again(t, l)
		})
	}
}

// A caller who forgets Begin has right sums too.
func TestLedgerCountsNothingTwiceWithoutBegin(t *testing.T) {
	l := NewLedger(ByMark)
	for n := range uint64(5) {
		addAll(l, isNew(marked(1, 7, 10*n+10)), isSynced, step(Counted, marked(1, 7, 10*n+12), 10*n+10))
	}
	got, ok := l.Get(7)
	assert.True(t, ok)
	assert.Equal(t, account(1, 1, 52), got)
}

func TestLedgerForget(t *testing.T) {
	l := NewLedger(ByMark)
	addAll(l, isNew(marked(1, 7, 10)), isNew(marked(2, 8, 4)), isNew(marked(3, 9, 6)), isSynced)
	_, ok := l.Forget(7)
	assert.False(t, ok, "it has a live connection")
	l.Add(step(Destroyed, marked(1, 7, 10), 10))
	last, ok := l.Forget(7)
	assert.True(t, ok)
	assert.Equal(t, account(1, 0, 10), last)
	_, ok = l.Get(7)
	assert.False(t, ok)
	_, ok = l.Forget(7)
	assert.False(t, ok, "it is gone")

	l = again(t, l)
	addAll(l, isNew(marked(2, 8, 6)), isNew(marked(3, 9, 6)), isNew(marked(4, 10, 2)), isNew(marked(5, 7, 2)), isSynced)
	assert.Equal(t, map[uint32]Account{7: account(1, 1, 2), 8: account(1, 1, 6), 9: account(1, 1, 6), 10: account(1, 1, 2)}, maps.Collect(l.All()))

	// What is over keeps no account open.
	l.Begin()
	l.Add(isSynced)
	_, ok = l.Forget(8)
	assert.True(t, ok)
	addAll(again(t, l), isNew(marked(2, 8, 8)))
	l.Add(isNew(marked(2, 8, 8)))
	got, _ := l.Get(8)
	assert.Equal(t, account(1, 1, 2), got)
}

// What is over is kept as long as it takes no more than an eighth of the room.
func TestLedgerGivesUpWhatIsOver(t *testing.T) {
	l := NewLedger(ByMark)
	for n := range 4 * chunkSize {
		l.Add(isNew(marked(n, 7, 10)))
	}
	l.Add(isSynced)
	l.Begin()
	l.Add(isSynced)
	assert.Equal(t, 4*chunkSize, l.flows.over)
	restored := again(t, l)
	for n := range 4 * chunkSize {
		l.Add(isNew(marked(10000+n, 7, 10)))
	}
	assert.Equal(t, 5*chunkSize, l.flows.room(), "one more chunk and an eighth of the room")
	assert.LessOrEqual(t, l.flows.over, l.flows.room()/8+chunkSize)
	got, _ := l.Get(7)
	assert.Equal(t, uint64(4*chunkSize), got.Live)
	again(t, l)

	for n := range 4 * chunkSize {
		restored.Add(isNew(marked(n, 7, 12)))
	}
	got, _ = restored.Get(7)
	assert.Equal(t, uint64(4*chunkSize*12), got.Sent.Packets, "all were kept")
	assert.Zero(t, restored.flows.over)
}

// A connection that is over and begins again is not told of as lost a second time, however often the ledger is saved before it is read.
func TestLedgerSavesWhatItWaitsFor(t *testing.T) {
	l := NewLedger(ByMark)
	addAll(l, isNew(marked(1, 7, 10)), isSynced)
	l = again(t, l)
	addAll(l, isSynced, isAnnounced(marked(1, 7, 0)))
	l = again(t, l)
	addAll(l, isNew(marked(1, 7, 4)), isSynced)
	got, _ := l.Get(7)
	assert.Equal(t, account(2, 1, 14).but(1, 0), got)
}
