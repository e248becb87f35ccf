package conntrack

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A ledgerModel is a table of connections, a follower that tells of it as Changes does, and the truth about what a ledger has to hold. It names
// each connection by a number of its own, so that it cannot confuse two that have the same Key.
type ledgerModel struct {
	rand   *rand.Rand
	vague  bool // the same Key comes back without a start time, and counters are set back: then the sums are a bound only
	live   []*modelFlow
	made   int
	ledger *Ledger[uint32]
	high   map[uint32]Account // as the ledger had it last: nothing may fall

	truth  map[uint32]Delta // what is booked
	booked map[int]Delta    // of each connection, by its number: what is in truth
	told   map[int]Delta    // what the present stream has told
	saved  []byte           // the ledger
	then   [2]any           // truth and booked when it was saved
}

type modelFlow struct {
	Entry
	number  int
	counted Delta // what its counters show
	start   time.Time
}

func newLedgerModel(seed uint64, vague bool) *ledgerModel {
	m := &ledgerModel{
		rand: rand.New(rand.NewPCG(seed, 2)), vague: vague, ledger: NewLedger(ByMark),
		high: map[uint32]Account{}, truth: map[uint32]Delta{}, booked: map[int]Delta{},
	}
	m.save()
	return m
}

// entry is what the kernel tells of f; counted as a reading or the last message does.
func (f *modelFlow) entry(counted bool) Entry {
	e := f.Entry
	if counted {
		e.Sent, e.Received, e.Start = f.counted.Sent, f.counted.Received, f.start
	}
	return e
}

// happens is something that nobody is told of.
func (m *ledgerModel) happens() {
	if len(m.live) < 3 || m.rand.IntN(6) == 0 {
		m.create()
		return
	}
	switch f := m.any(); m.rand.IntN(6) {
	case 0:
		f.Mark = uint32(m.rand.IntN(4))
	default:
		n, k := uint64(m.rand.IntN(50)), uint64(m.rand.IntN(50))
		if f.counted.Sent.OK {
			f.counted.add(Delta{Counters{n, n * 100, true}, Counters{k, k * 30, true}})
		}
	}
}

func (m *ledgerModel) any() *modelFlow { return m.live[m.rand.IntN(len(m.live))] }

// create makes a connection of a tuple that is free; its id may be that of the last one there.
func (m *ledgerModel) create() *modelFlow {
	n := m.rand.IntN(12)
	for _, f := range m.live {
		if f.Orig == flowNumber(n, 0, 0).Orig {
			return f
		}
	}
	m.made++
	e := flowNumber(n, slow, 0)
	f := &modelFlow{Entry: e.uncounted(), number: m.made}
	f.Mark = uint32(m.rand.IntN(4))
	switch {
	case m.vague:
	case m.rand.IntN(2) == 0:
		f.ID += 1000 * uint32(m.made)
	default:
		f.start = time.Unix(int64(m.made), 0)
	}
	if m.rand.IntN(8) > 0 || !f.start.IsZero() {
		n := uint64(m.rand.IntN(100))
		f.counted = Delta{Counters{n, n * 100, true}, Counters{n, n * 30, true}}
	}
	m.live = append(m.live, f)
	return f
}

func (m *ledgerModel) remove(f *modelFlow) {
	for i, other := range m.live {
		if f == other {
			m.live = append(m.live[:i], m.live[i+1:]...)
		}
	}
}

// tell tells of f what the follower would, with counters or without. The truth of it is that all its counters show is booked now.
func (m *ledgerModel) tell(t *testing.T, kind Kind, f *modelFlow, counted, lost bool) {
	c := Change{Kind: kind, Lost: lost, Entry: f.entry(counted)}
	told, known := m.told[f.number]
	if !known && kind != New {
		m.tell(t, New, f, false, false)
		told = Delta{}
	}
	if counted && !lost {
		c.Delta = Delta{f.counted.Sent.since(told.Sent), f.counted.Received.since(told.Received)}
		if f.counted.Sent.behind(told.Sent) || f.counted.Received.behind(told.Received) {
			c.Delta = f.counted
		}
		m.bookTruth(f)
		told = f.counted
	} else {
		c.Entry.Sent, c.Entry.Received = told.Sent, told.Received
	}
	if m.told[f.number] = told; kind == Destroyed {
		m.remove(f)
	}
	m.add(t, c)
}

// bookTruth books what f counted and was not booked yet.
func (m *ledgerModel) bookTruth(f *modelFlow) {
	before := m.booked[f.number]
	m.booked[f.number] = f.counted
	if f.Mark == 0 || !f.counted.Sent.OK {
		return
	}
	if f.counted.Sent.behind(before.Sent) || f.counted.Received.behind(before.Received) {
		before = Delta{}
	}
	sum := m.truth[f.Mark]
	sum.add(Delta{f.counted.Sent.since(before.Sent), f.counted.Received.since(before.Received)})
	m.truth[f.Mark] = sum
}

// add checks that nothing falls.
func (m *ledgerModel) add(t *testing.T, c Change) {
	m.ledger.Add(c)
	now := maps.Collect(m.ledger.All())
	for k, before := range m.high {
		require.False(t, now[k].below(before), "account %d fell from %+v to %+v with %v", k, before, now[k], c)
	}
	m.high = now
}

func (a Account) below(b Account) bool {
	return a.Sent.Packets < b.Sent.Packets || a.Sent.Bytes < b.Sent.Bytes ||
		a.Received.Packets < b.Received.Packets || a.Received.Bytes < b.Received.Bytes ||
		a.Flows < b.Flows || a.Lost < b.Lost || a.Uncounted < b.Uncounted
}

// stream tells of the table, of some steps, and at last of everything once more.
func (m *ledgerModel) stream(t *testing.T) {
	m.told = map[int]Delta{}
	for _, f := range append([]*modelFlow(nil), m.live...) {
		if m.rand.IntN(3) == 0 {
			m.step(t)
		}
		if _, told := m.told[f.number]; !told && m.has(f) && m.rand.IntN(10) > 0 { // the kernel overlooks one in ten
			m.tell(t, New, f, true, false)
		}
	}
	if m.rand.IntN(8) == 0 {
		return // it broke off
	}
	m.add(t, isSynced)
	for range m.rand.IntN(40) {
		m.step(t)
	}
	if m.rand.IntN(4) == 0 {
		return
	}
	m.reading(t)
	m.check(t)
}

func (m *ledgerModel) has(f *modelFlow) bool {
	for _, other := range m.live {
		if f == other {
			return true
		}
	}
	return false
}

func (m *ledgerModel) reading(t *testing.T) {
	for _, f := range m.live {
		kind := Counted
		if _, told := m.told[f.number]; !told {
			kind = New
		}
		m.tell(t, kind, f, true, false)
	}
}

// step is something that happens while a stream is read.
func (m *ledgerModel) step(t *testing.T) {
	m.happens()
	switch f := m.any(); m.rand.IntN(14) {
	case 0:
		m.tell(t, Destroyed, f, true, false)
	case 1:
		if _, told := m.told[f.number]; told {
			m.tell(t, Destroyed, f, false, true)
		}
	case 2:
		if f := m.create(); m.told[f.number] == (Delta{}) && m.booked[f.number] == (Delta{}) {
			m.tell(t, New, f, false, false) // again if it was announced: no ledger may mind
		}
	case 3:
		m.tell(t, PathChanged, f, m.rand.IntN(2) == 0, false)
	case 4:
		m.reading(t)
	case 5:
		m.add(t, Change{Kind: Overrun, Lost: true})
		m.reading(t)
		m.add(t, isSynced)
	case 6:
		if m.vague && f.counted.Sent.OK {
			f.counted = Delta{Counters{1, 100, true}, Counters{1, 30, true}}
			m.tell(t, Counted, f, true, false)
		}
	case 7:
		m.save()
	}
}

func (m *ledgerModel) save() {
	var file bytes.Buffer
	if err := m.ledger.Save(&file); err == nil {
		m.saved = file.Bytes()
	}
	m.then = [2]any{maps.Clone(m.truth), maps.Clone(m.booked)}
}

// restart goes on with the same ledger, with a saved one, or after a crash with one that was saved some time ago.
func (m *ledgerModel) restart(t *testing.T) {
	switch m.rand.IntN(3) {
	case 0:
		m.ledger.Begin()
	case 1:
		m.ledger = again(t, m.ledger)
	case 2:
		restored, err := RestoreLedger(bytes.NewReader(m.saved), ByMark)
		require.NoError(t, err)
		m.ledger = restored
		m.truth, m.booked = maps.Clone(m.then[0].(map[uint32]Delta)), maps.Clone(m.then[1].(map[int]Delta))
		m.high = maps.Collect(restored.All())
	}
	require.Equal(t, m.high, maps.Collect(m.ledger.All()), "a restart is no change")
	for range m.rand.IntN(20) {
		m.happens()
		if m.rand.IntN(5) == 0 {
			m.remove(m.any())
		}
	}
}

// check compares the sums, and who is live.
func (m *ledgerModel) check(t *testing.T) {
	live := map[uint32]uint64{}
	for _, f := range m.live {
		live[f.Mark]++
	}
	for k, a := range m.ledger.All() {
		got, want := Delta{a.Sent, a.Received}, m.truth[k]
		got.Sent.OK, got.Received.OK = want.Sent.OK, want.Received.OK
		if m.vague {
			require.False(t, Account{Sent: want.Sent, Received: want.Received}.below(Account{Sent: got.Sent, Received: got.Received}), "counted twice")
		} else {
			require.Equal(t, want, got, "account %d", k)
		}
		require.Equal(t, live[k], a.Live, "account %d", k)
		require.GreaterOrEqual(t, a.Flows-a.Live, a.Lost+a.Uncounted, "account %d", k)
	}
}

func TestLedgerHoldsTheTruthOverRestarts(t *testing.T) {
	for _, vague := range []bool{false, true} {
		for seed := range seeds() / 4 {
			t.Run(fmt.Sprintf("vague %v seed %d", vague, seed), func(t *testing.T) {
				m := newLedgerModel(seed, vague)
				for range 12 {
					m.stream(t)
					m.restart(t)
				}
			})
		}
	}
}
