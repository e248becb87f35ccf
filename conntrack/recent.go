package conntrack

import (
	"encoding/binary"
	"hash/maphash"
	"time"
)

// recent remembers the ends that were told of late, for a kernel can tell of one again: where it had to try several times for a listener with
// Config.Reliable, whichever of the namespace, or after an end was concluded from a lookup. It remembers the last thirty to sixty seconds, and
// of those as many as have room.
type recent struct {
	seed        maphash.Seed
	now, before []uint64 // hashes, each at its place
	since       time.Time
}

const (
	recentRoom = 1 << 14 // hashes, a power of two: 128 KB, twice
	recentTime = 30 * time.Second
)

func newRecent() recent { return recent{seed: maphash.MakeSeed()} }

// told remembers an end that was told with these counters.
func (r *recent) told(k *packedKey, e *Entry) { r.add(r.ofEnd(k, e)) }

// concluded remembers an end whose last counters are not known.
func (r *recent) concluded(k *packedKey) { r.add(r.ofKey(k)) }

// again tells whether the end that the kernel tells was told before. That its counters are the same makes out another connection that
// had the same key; of one without, the key must do, once.
func (r *recent) again(k *packedKey, e *Entry) bool {
	return r.now != nil && (r.has(r.ofEnd(k, e)) || r.take(r.ofKey(k)))
}

func (r *recent) ofKey(k *packedKey) uint64 { return maphash.Bytes(r.seed, k[:]) }

func (r *recent) ofEnd(k *packedKey, e *Entry) uint64 {
	var b [len(k) + 4*8]byte
	copy(b[:], k[:])
	for i, n := range [...]uint64{e.Sent.Packets, e.Sent.Bytes, e.Received.Packets, e.Received.Bytes} {
		binary.LittleEndian.PutUint64(b[len(k)+8*i:], n)
	}
	return maphash.Bytes(r.seed, b[:])
}

func (r *recent) add(hash uint64) {
	if r.now == nil {
		r.now, r.before, r.since = make([]uint64, recentRoom), make([]uint64, recentRoom), time.Now()
	}
	r.now[hash%recentRoom] = hash
}

func (r *recent) has(hash uint64) bool {
	return r.now[hash%recentRoom] == hash || r.before[hash%recentRoom] == hash
}

// take is has, for once.
func (r *recent) take(hash uint64) bool {
	for _, hashes := range [][]uint64{r.now, r.before} {
		if h := &hashes[hash%recentRoom]; *h == hash {
			*h = 0
			return true
		}
	}
	return false
}

// age forgets what is too old.
func (r *recent) age(now time.Time) {
	if r.now != nil && now.Sub(r.since) >= recentTime {
		r.now, r.before, r.since = r.before, r.now, now
		clear(r.now)
	}
}
