package conntrack

import (
	"hash/maphash"
	"iter"
)

// A ledgerFlow is what a Ledger keeps of one connection: what its counters showed when it was last booked. 96 bytes without pointers.
type ledgerFlow struct {
	sent, received tally
	next           uint32 // number of the next one in the same bucket, or on the free list
	account        uint32 // where it is live; 0 is none
	stamp          uint32 // see startStamp
	key            packedKey
	flags          ledgerFlags
}

type tally struct{ packets, bytes uint64 }

type ledgerFlags uint8

const (
	ledgerUsed         ledgerFlags = 1 << iota // not on the free list
	ledgerShown                                // by the present stream
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

// ledgerFlows is a hash table of ledgerFlows, numbered from 1. They lie in chunks that never move and are never given back.
type ledgerFlows struct {
	seed    maphash.Seed
	buckets []uint32 // numbers; a power of two of them
	chunks  [][]ledgerFlow
	slots   int // in all chunks
	used    int
	free    uint32 // number of the first free one
	over    int    // how many are ledgerOver
	hand    uint32 // where the search for one to give up goes on
}

const (
	ledgerChunk      = 256
	fewLedgerBuckets = 64
)

func (t *ledgerFlows) at(number uint32) *ledgerFlow {
	i := number - 1
	return &t.chunks[i/ledgerChunk][i%ledgerChunk]
}

// bucket is where k's chain begins.
func (t *ledgerFlows) bucket(k *packedKey) *uint32 {
	return &t.buckets[maphash.Bytes(t.seed, k[:])&uint64(len(t.buckets)-1)]
}

// find is nil where there is none. The pointer holds until the flow is removed.
func (t *ledgerFlows) find(k *packedKey) *ledgerFlow {
	if len(t.buckets) == 0 {
		return nil
	}
	for number := *t.bucket(k); number != 0; {
		f := t.at(number)
		if f.key == *k {
			return f
		}
		number = f.next
	}
	return nil
}

// add makes a flow that is not there yet.
func (t *ledgerFlows) add(k *packedKey) *ledgerFlow {
	if t.free == 0 {
		t.makeRoom()
	}
	if t.used >= len(t.buckets) {
		t.rehash(max(fewLedgerBuckets, 2*len(t.buckets)))
	}
	number := t.free
	f := t.at(number)
	t.free = f.next
	head := t.bucket(k)
	*f = ledgerFlow{key: *k, next: *head, flags: ledgerUsed}
	*head = number
	t.used++
	return f
}

func (t *ledgerFlows) remove(f *ledgerFlow) {
	link := t.bucket(&f.key)
	for t.at(*link) != f {
		link = &t.at(*link).next
	}
	number := *link
	*link = f.next
	if f.has(ledgerOver) {
		t.over--
	}
	*f = ledgerFlow{next: t.free}
	t.free = number
	t.used--
}

// makeRoom gives up a flow that is over, if those take more than an eighth of the room, or makes more room.
func (t *ledgerFlows) makeRoom() {
	for t.over > t.slots/8 {
		f := t.at(t.hand + 1)
		t.hand = (t.hand + 1) % uint32(t.slots)
		if f.has(ledgerOver) {
			t.remove(f)
			return
		}
	}
	chunk := make([]ledgerFlow, ledgerChunk)
	t.chunks = append(t.chunks, chunk)
	for i := range chunk {
		t.slots++
		chunk[i].next = uint32(t.slots + 1)
	}
	t.free, chunk[ledgerChunk-1].next = uint32(t.slots-ledgerChunk+1), 0
}

func (t *ledgerFlows) rehash(buckets int) {
	t.buckets = make([]uint32, buckets)
	for number, f := range t.all() {
		head := t.bucket(&f.key)
		f.next, *head = *head, number
	}
}

// end marks a flow as over: it is kept while there is room.
func (t *ledgerFlows) end(f *ledgerFlow) {
	f.flags = f.flags&^ledgerWasOver | ledgerOver
	t.over++
}

// countOver counts those that were restored: until then none is given up.
func (t *ledgerFlows) countOver() {
	t.over = 0
	for _, f := range t.all() {
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

// all yields the flows with their numbers. The loop may change them, and must not add or remove any.
func (t *ledgerFlows) all() iter.Seq2[uint32, *ledgerFlow] {
	return func(yield func(uint32, *ledgerFlow) bool) {
		for c, chunk := range t.chunks {
			for i := range chunk {
				if f := &chunk[i]; f.has(ledgerUsed) && !yield(uint32(c*ledgerChunk+i+1), f) {
					return
				}
			}
		}
	}
}
