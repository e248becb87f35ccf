package conntrack

// A ledgerFlow is what a Ledger keeps of one connection: what its counters showed when it was last booked. 96 bytes.
type ledgerFlow struct {
	node
	account        uint32 // where it is live; 0 is none
	sent, received tally
	stamp          uint32 // see startStamp
	flags          ledgerFlags
}

type tally struct{ packets, bytes uint64 }

type ledgerFlags uint8

const (
	ledgerShown        ledgerFlags = 1 << iota // by the present stream
	ledgerOver                                 // not shown until Synced: it ended, as far as anybody knows
	ledgerWasOver                              // shown again after that, and its counters are not known yet
	ledgerSent                                 // sent is known
	ledgerReceived                             // received is known
	ledgerOwesSent                             // the present stream has not told of what stands in sent, and will
	ledgerOwesReceived                         // the same of received
)

func (f *ledgerFlow) has(flag ledgerFlags) bool { return f.flags&flag != 0 }

// shown takes over what e's counters show.
func (f *ledgerFlow) shown(e *Entry) {
	if e.Sent.OK {
		f.sent = tally{e.Sent.Packets, e.Sent.Bytes}
		f.flags |= ledgerSent
	}
	if e.Received.OK {
		f.received = tally{e.Received.Packets, e.Received.Bytes}
		f.flags |= ledgerReceived
	}
	if stamp := startStamp(e); stamp != 0 {
		f.stamp = stamp
	}
}

// startStamp folds the moment when e's connection began, as far as the kernel tells it, into four bytes; 0 is unknown. It only
// has to differ between two connections that have the same Key.
func startStamp(e *Entry) uint32 {
	if e.Start.IsZero() {
		return 0
	}
	ns := uint64(e.Start.UnixNano())
	return max(1, uint32(ns^ns>>32))
}

// another tells whether the counters that the stream tells for the first time are not those of the connection that was booked.
func (f *ledgerFlow) another(c *Change) bool {
	if !f.has(ledgerOwesSent | ledgerOwesReceived) {
		return false // the stream decides
	}
	stamp := startStamp(&c.Entry)
	return stamp != 0 && f.stamp != 0 && stamp != f.stamp || f.ahead(&c.Delta)
}

// ahead tells whether more was booked than those counters show.
func (f *ledgerFlow) ahead(d *Delta) bool {
	return f.has(ledgerOwesSent) && d.Sent.OK && f.sent.above(d.Sent) || f.has(ledgerOwesReceived) && d.Received.OK && f.received.above(d.Received)
}

func (t tally) above(c Counters) bool { return t.packets > c.Packets || t.bytes > c.Bytes }

// fresh is what of d was not booked yet. The first counters that a stream tells are all that there is, whatever was booked before the stream.
func (f *ledgerFlow) fresh(d Delta) Delta {
	if d.Sent.OK && f.has(ledgerOwesSent) {
		d.Sent.Packets -= f.sent.packets
		d.Sent.Bytes -= f.sent.bytes
		f.flags &^= ledgerOwesSent
	}
	if d.Received.OK && f.has(ledgerOwesReceived) {
		d.Received.Packets -= f.received.packets
		d.Received.Bytes -= f.received.bytes
		f.flags &^= ledgerOwesReceived
	}
	if d.Sent.OK || d.Received.OK {
		f.flags &^= ledgerWasOver
	}
	return d
}

// ledgerFlows are the connections that a Ledger knows. Their memory is never given back.
type ledgerFlows struct {
	table[ledgerFlow, *ledgerFlow]
	over int    // how many are ledgerOver
	hand uint32 // where the search for one to give up goes on
}

// add makes a flow that is not there yet. It gives up one that is over, if those take more than an eighth of the room.
func (t *ledgerFlows) add(k *packedKey) *ledgerFlow {
	for t.free == 0 && t.over > t.room()/8 {
		t.hand = t.hand%uint32(t.room()) + 1
		if f := t.at(t.hand); f.used && f.has(ledgerOver) {
			t.remove(f)
		}
	}
	return t.table.add(k)
}

func (t *ledgerFlows) remove(f *ledgerFlow) {
	if f.has(ledgerOver) {
		t.over--
	}
	t.table.remove(f)
}

// end marks a flow as over: it is kept while there is room.
func (t *ledgerFlows) end(f *ledgerFlow) {
	f.flags = f.flags&^ledgerWasOver | ledgerOver
	t.over++
}

// countOver counts those that were restored: until then none is given up.
func (t *ledgerFlows) countOver() {
	t.over = 0
	for _, f := range t.from(0) {
		if f.has(ledgerOver) {
			t.over++
		}
	}
}

// revive takes that back.
func (t *ledgerFlows) revive(f *ledgerFlow) {
	f.flags = f.flags&^ledgerOver | ledgerWasOver
	t.over--
}
