package conntrack

import (
	"hash/maphash"
	"iter"
	"math/bits"
)

// A node is what a table needs in each of its values.
type node struct {
	key  packedKey
	used bool
	next uint32 // the next of its bucket, or of those that are free
}

func (n *node) link() *node { return n }

// A value of a table is a struct that embeds node, and no pointer: the garbage collector passes over a million of them.
type value[V any] interface {
	*V
	link() *node
}

// A table holds values in chunks, found by a hash table of their numbers, which count from 1. A value stays where it is until it is removed. Beside
// the value it takes 4 to 8 bytes.
type table[V any, P value[V]] struct {
	seed    maphash.Seed
	buckets []uint32 // by hash, the number of the first value; a power of two
	chunks  [][]V
	shift   uint8  // of a number to its chunk: all have the same size, a power of two
	free    uint32 // the first that is free
	count   int
}

const (
	chunkSize    = 256
	leastBuckets = 64
)

// newTable makes one whose chunks have this size, a power of two.
func newTable[V any, P value[V]](chunk int) table[V, P] {
	return table[V, P]{seed: maphash.MakeSeed(), buckets: make([]uint32, leastBuckets), shift: uint8(bits.TrailingZeros(uint(chunk)))}
}

func (t *table[V, P]) at(number uint32) P {
	chunk := t.chunks[(number-1)>>t.shift]
	return &chunk[(number-1)&uint32(len(chunk)-1)]
}

// chunk is how many values a chunk holds.
func (t *table[V, P]) chunk() int { return 1 << t.shift }

// room is how many values there could be without another chunk.
func (t *table[V, P]) room() int { return len(t.chunks) << t.shift }

func (t *table[V, P]) bucket(k *packedKey) *uint32 {
	return &t.buckets[maphash.Bytes(t.seed, k[:])&uint64(len(t.buckets)-1)]
}

// get is nil where there is none.
func (t *table[V, P]) get(k *packedKey) P {
	for number := *t.bucket(k); number != 0; {
		v := t.at(number)
		n := v.link()
		if n.key == *k {
			return v
		}
		number = n.next
	}
	return nil
}

// add makes a value for a key that has none; but for the key it is zero.
func (t *table[V, P]) add(k *packedKey) P {
	if t.free == 0 {
		t.grow()
	}
	if t.count >= len(t.buckets) {
		t.spread(2 * len(t.buckets))
	}
	number := t.free
	v := t.at(number)
	t.free = v.link().next
	b := t.bucket(k)
	var zero V
	*v = zero
	*v.link() = node{key: *k, used: true, next: *b}
	*b = number
	t.count++
	return v
}

// grow adds a chunk of free values.
func (t *table[V, P]) grow() {
	first := uint32(t.room() + 1)
	t.chunks = append(t.chunks, make([]V, t.chunk()))
	for i := range uint32(t.chunk() - 1) {
		t.at(first + i).link().next = first + i + 1
	}
	t.free = first
}

// spread makes a hash table of so many buckets.
func (t *table[V, P]) spread(buckets int) {
	t.buckets = make([]uint32, buckets)
	for number, v := range t.from(0) {
		n := v.link()
		b := t.bucket(&n.key)
		n.next, *b = *b, number
	}
}

func (t *table[V, P]) remove(v P) {
	at := t.bucket(&v.link().key)
	for t.at(*at) != v {
		at = &t.at(*at).link().next
	}
	number := *at
	*at = v.link().next
	var zero V
	*v = zero
	v.link().next = t.free
	t.free = number
	t.count--
}

// empty gives the memory back. Whoever walks goes on in the chunks that were there, which hold no values any more.
func (t *table[V, P]) empty() { *t = newTable[V, P](t.chunk()) }

// from yields the values that are there when it begins, with their numbers, those behind a number first. While it does, values may be added and
// removed, the one that was yielded among them, and the table emptied: a value that was removed before its turn is left out, and one that took its
// place may be yielded.
func (t *table[V, P]) from(number uint32) iter.Seq2[uint32, P] {
	return func(yield func(uint32, P) bool) {
		walked := *t // its chunks stay where they are, whatever becomes of t
		room := uint32(walked.room())
		for i := range room {
			at := (number+i)%room + 1
			if v := walked.at(at); v.link().used && !yield(at, v) {
				return
			}
		}
	}
}
