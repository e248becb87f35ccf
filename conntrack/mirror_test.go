package conntrack

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// A mirror rebuilds the table from changes and refuses a stream that contradicts itself.
type mirror struct {
	live  map[Key]Entry
	sums  map[Key]Delta // since New
	total Delta         // of everything that ever was
}

func newMirror() *mirror { return &mirror{live: map[Key]Entry{}, sums: map[Key]Delta{}} }

func (m *mirror) apply(c Change) error {
	k := c.Entry.Key()
	old, known := m.live[k]
	switch {
	case !c.Kind.ofOne():
		return nil
	case c.Kind == New && known:
		return fmt.Errorf("new twice: %v", c)
	case c.Kind != New && !known:
		return fmt.Errorf("of an unknown connection: %v", c)
	case c.Kind == PathChanged && (c.From != old.Path() || c.From == c.Entry.Path()):
		return fmt.Errorf("from %v, but it was %v: %v", c.From, old.Path(), c)
	case c.Kind == Counted && c.Entry.Path() != old.Path():
		return fmt.Errorf("the path changed from %v without a word: %v", old.Path(), c)
	case c.Delta.Sent.Packets > 1<<40 || c.Delta.Received.Bytes > 1<<40:
		return fmt.Errorf("a delta below zero: %+v: %v", c.Delta, c)
	}
	sum := m.sums[k]
	sum.add(c.Delta)
	m.total.add(c.Delta)
	m.live[k], m.sums[k] = c.Entry, sum
	if c.Kind == Destroyed {
		delete(m.live, k)
		delete(m.sums, k)
	}
	return nil
}

func (d *Delta) add(other Delta) {
	d.Sent.Packets += other.Sent.Packets
	d.Sent.Bytes += other.Sent.Bytes
	d.Received.Packets += other.Received.Packets
	d.Received.Bytes += other.Received.Bytes
}

// A chaos is a kernel that does anything at any time: between the entries of a dump, before a lookup, while the watcher waits.
// Notifications get lost in overruns, and ends without a message happen. Keys are few, so that they come back.
type chaos struct {
	script
	rand  *rand.Rand
	lossy bool // notifications get lost in overruns
	reuse bool // a connection made again can have the id of the last
	made  uint32
	drop  bool  // notifications are being lost
	truth Delta // what was really counted
	calm  bool  // no more changes
	waits int   // until calm
}

func newChaos(seed uint64, lossy, reuse bool) *chaos {
	c := &chaos{rand: rand.New(rand.NewPCG(seed, 1)), lossy: lossy, reuse: reuse, waits: 40}
	if seed%4 > 1 {
		c.limits = tinyLimits()
	}
	c.inDump = func(*script, Entry) { c.some(3) }
	c.inLook = func(*script) { c.some(3) }
	c.more()
	return c
}

// more adds a step for each wait, until it is calm, and then enough for what is overdue to be told.
func (c *chaos) more() {
	for range c.waits {
		c.steps = append(c.steps, func(*script) { c.some(8) })
	}
	c.steps = append(c.steps, func(*script) { c.calm, c.drop = true, false })
	for range 4 {
		c.steps = append(c.steps, func(*script) {})
	}
}

func (c *chaos) some(most int) {
	for range c.rand.IntN(most) {
		if !c.calm {
			c.one()
		}
	}
}

func (c *chaos) one() {
	e := flowNumber(c.rand.IntN(6), Confirmed, 0)
	now, err := c.find(e.Key())
	if err != nil {
		if !c.reuse {
			c.made++
			e.ID += 1000 * c.made
		}
		c.send(NotifyNew, c.count(e, 1))
		return
	}
	switch c.rand.IntN(8) {
	case 0:
		c.send(NotifyDestroy, c.count(now, 0))
	case 1:
		now.Status ^= Offload
		c.set(now)
	case 2:
		now.Status ^= HWOffload
		c.set(now)
	case 3:
		now.Status |= SeenReply | Assured
		c.send(NotifyUpdate, c.count(now, 0))
	case 4:
		if c.lossy {
			c.drop = !c.drop
			if c.drop {
				c.queue = append(c.queue, ErrOverrun)
			}
		}
	default:
		c.set(c.count(now, 0))
	}
}

// count lets some packets pass.
func (c *chaos) count(e Entry, least int) Entry {
	n, m := uint64(least+c.rand.IntN(4)), uint64(c.rand.IntN(4))
	step := Delta{Sent: Counters{n, n * 100, true}, Received: Counters{m, m * 30, true}}
	c.truth.add(step)
	sum := Delta{e.Sent, e.Received}
	sum.add(step)
	e.Sent, e.Received = sum.Sent, sum.Received
	return e
}

func (c *chaos) send(kind NotificationKind, e Entry) {
	told := e
	if kind != NotifyDestroy {
		told = e.uncounted()
	}
	if !c.drop {
		c.notify(kind, told)
	}
	if kind == NotifyDestroy {
		c.vanish(e)
	} else {
		c.set(e)
	}
}

func playChaos(t *testing.T, c *chaos) *mirror {
	t.Helper()
	changes, err := c.play(Match{})
	require.NoError(t, err)
	m := newMirror()
	for _, change := range changes {
		require.NoError(t, m.apply(change))
	}
	require.Len(t, m.live, len(c.table), "after a calm the mirror has what the table has")
	for _, e := range c.table {
		got := m.live[e.Key()]
		require.Equal(t, e.Path(), got.Path())
		require.Equal(t, [4]uint64{e.Sent.Packets, e.Sent.Bytes, e.Received.Packets, e.Received.Bytes},
			[4]uint64{got.Sent.Packets, got.Sent.Bytes, got.Received.Packets, got.Received.Bytes})
	}
	return m
}

// seeds is how often to play; under emulation a few will do.
func seeds() uint64 {
	if os.Getenv("FASTPATH_VM") != "" {
		return 20
	}
	return 400
}

// Without loss nothing is counted twice and nothing is left out, also where the next connection has the key of the last, id and all.
func TestChangesCountEverythingInAnyOrder(t *testing.T) {
	for seed := range seeds() {
		c := newChaos(seed, false, seed%2 == 0)
		m := playChaos(t, c)
		m.total.Sent.OK, m.total.Received.OK = true, true
		c.truth.Sent.OK, c.truth.Received.OK = true, true
		require.Equal(t, c.truth, m.total, "seed %d", seed)
	}
}

func TestChangesMirrorTheTableWhenIDsComeBack(t *testing.T) {
	for seed := range seeds() {
		playChaos(t, newChaos(seed, false, true))
	}
}

func TestChangesMirrorTheTableDespiteLoss(t *testing.T) {
	for seed := range seeds() {
		playChaos(t, newChaos(seed, true, seed%2 == 0))
	}
}
