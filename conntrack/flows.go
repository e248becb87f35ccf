package conntrack

import (
	"hash/maphash"
	"iter"
	"math"
	"time"
)

// flows are the connections that one call of Changes follows: flows in chunks, found by a hash table of their numbers. A flow stays where
// it is until it is removed. It takes 176 bytes, and 4 to 8 in the table.
type flows struct {
	seed    maphash.Seed
	buckets []uint32 // by hash, the number of the first flow; numbers count from 1
	chunks  []*[chunk]flow
	free    uint32 // the first that is free
	count   int
	helpers []string // by flow.helper; the first is ""
}

const (
	chunk        = 1024
	keepChunks   = 16  // 3 MB
	leastBuckets = 256 // a power of two
)

func newFlows() flows {
	return flows{seed: maphash.MakeSeed(), buckets: make([]uint32, leastBuckets), helpers: []string{""}}
}

func (f *flows) number(n uint32) *flow { return &f.chunks[(n-1)/chunk][(n-1)%chunk] }

func (f *flows) bucket(k *packedKey) *uint32 {
	return &f.buckets[maphash.Bytes(f.seed, k[:])&uint64(len(f.buckets)-1)]
}

// get finds the flow of a key; nil if there is none.
func (f *flows) get(k *packedKey) *flow {
	for n := *f.bucket(k); n != 0; {
		fl := f.number(n)
		if fl.key == *k {
			return fl
		}
		n = fl.next
	}
	return nil
}

// add follows e, which is not followed yet.
func (f *flows) add(k *packedKey, e *Entry, round uint32) *flow {
	if f.free == 0 {
		f.grow()
	}
	if f.count >= len(f.buckets) {
		f.spread(2 * len(f.buckets))
	}
	n := f.free
	fl := f.number(n)
	f.free = fl.next
	b := f.bucket(k)
	*fl = flow{key: *k, reply: packTuple(&e.Reply), round: round, next: *b, flags: flowUsed}
	fl.store(e, f.helperNumber(e.Helper, 0))
	*b = n
	f.count++
	return fl
}

// grow adds a chunk of free flows.
func (f *flows) grow() {
	c := new([chunk]flow)
	first := uint32(len(f.chunks)*chunk + 1)
	for i := range c[:chunk-1] {
		c[i].next = first + uint32(i) + 1
	}
	f.chunks = append(f.chunks, c)
	f.free = first
}

// spread makes a table of so many buckets.
func (f *flows) spread(buckets int) {
	f.buckets = make([]uint32, buckets)
	for c, chunk := range f.chunks {
		for i := range chunk {
			if fl := &chunk[i]; fl.is(flowUsed) {
				b := f.bucket(&fl.key)
				fl.next, *b = *b, uint32(c*len(chunk)+i+1)
			}
		}
	}
}

// remove forgets a flow. When none is left of many, so is the memory.
func (f *flows) remove(fl *flow) {
	at := f.bucket(&fl.key)
	for f.number(*at) != fl {
		at = &f.number(*at).next
	}
	n := *at
	*at = fl.next
	*fl = flow{next: f.free}
	f.free = n
	if f.count--; f.count == 0 && len(f.chunks) > keepChunks {
		f.chunks, f.buckets, f.free = nil, make([]uint32, leastBuckets), 0
	}
}

// from yields all flows, from a number on and around, with the number behind each. Flows may be removed and added meanwhile.
func (f *flows) from(start int) iter.Seq2[int, *flow] {
	return func(yield func(int, *flow) bool) {
		for i := range len(f.chunks) * chunk {
			at := start + i
			if all := len(f.chunks) * chunk; all == 0 {
				return
			} else {
				at %= all
			}
			if fl := &f.chunks[at/chunk][at%chunk]; fl.is(flowUsed) && !yield(at+1, fl) {
				return
			}
		}
	}
}

// entry is what was last reported of fl.
func (f *flows) entry(fl *flow) Entry {
	k := fl.key.key()
	e := Entry{
		ID: k.ID, Zone: k.Zone, Orig: k.Orig, Reply: fl.reply.tuple(), Status: fl.status, Mark: fl.mark, Use: fl.use, State: fl.state, Labels: fl.labels,
		Helper: f.helpers[fl.helper], Timeout: time.Duration(fl.timeout) * time.Second, HasTimeout: fl.is(flowHasTimeout),
	}
	e.Sent, e.Received = fl.counters()
	if fl.start != 0 {
		e.Start = time.Unix(0, fl.start).UTC()
	}
	return e
}

// store keeps what e tells of fl.
func (f *flows) store(fl *flow, e *Entry) { fl.store(e, f.helperNumber(e.Helper, fl.helper)) }

// helperNumber is the place of a helper's name, which probably is the one at guess. Kernels have a dozen of them; what is beyond any reason
// is forgotten.
func (f *flows) helperNumber(name string, guess uint16) uint16 {
	if f.helpers[guess] == name {
		return guess
	}
	for i, known := range f.helpers {
		if known == name {
			return uint16(i)
		}
	}
	if len(f.helpers) > math.MaxUint16 {
		return 0
	}
	f.helpers = append(f.helpers, name)
	return uint16(len(f.helpers) - 1)
}
