package conntrack

import (
	"bytes"
	"io"
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// subscribers books by the source address, in some 1,000 accounts.
func subscribers(e Entry) ([4]byte, bool) {
	a := e.Orig.Src.Addr().As4()
	a[2] &= 3
	return a, true
}

// fullLedger has so many live connections.
func fullLedger(flows int) *Ledger[[4]byte] {
	l := NewLedger(subscribers)
	for n := range flows {
		l.Add(isNew(distinct(n, 10)))
	}
	l.Add(isSynced)
	return l
}

// distinct is flowNumber for more than 65,536.
func distinct(n int, packets uint64) Entry {
	e := flowNumber(n&0xffff, slow, packets)
	e.ID = uint32(n)
	return e
}

// What the docs of Ledger say of memory.
func TestLedgerFlowsAreSmall(t *testing.T) {
	assert.LessOrEqual(t, unsafe.Sizeof(ledgerFlow{}), uintptr(96))
	const flows = 200_000
	before := heap()
	l := fullLedger(flows)
	taken := heap() - before
	t.Logf("%.1f bytes a connection, %d accounts among it", float64(taken)/flows, len(l.accounts.byKey))
	assert.Less(t, float64(taken)/flows, 110.0)
	runtime.KeepAlive(l)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestLedgerAddAllocatesNothing(t *testing.T) {
	l := fullLedger(100)
	n := uint64(10)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		n++
		l.Add(step(Counted, distinct(1, n), n-1))
	}))
	assert.Zero(t, testing.AllocsPerRun(100, func() { // one ends, and another one begins
		l.Add(step(Destroyed, distinct(1, 20), 20))
		l.Add(isNew(distinct(1, 20)))
	}))
}

// A save and a restore need no memory of their own beyond some buffers.
func TestLedgerFilesTakeNoMemory(t *testing.T) {
	l := fullLedger(100_000)
	assert.Less(t, allocated(func() { require.NoError(t, l.Save(io.Discard)) }), uint64(1<<20))
	file := saved(t, l)
	want := allocated(func() { fullLedger(100_000) })
	assert.Less(t, allocated(func() {
		_, err := RestoreLedger(bytes.NewReader(file), subscribers)
		require.NoError(t, err)
	}), want+1<<20)
}

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func BenchmarkLedgerAdd(b *testing.B) {
	const flows = 100_000
	l := fullLedger(flows)
	changes := make([]Change, 4096)
	for i := range changes {
		changes[i] = step(Counted, distinct(i*23%flows, 20), 19)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		l.Add(changes[i%len(changes)])
	}
}

func BenchmarkLedgerSave(b *testing.B) {
	l := fullLedger(1_000_000)
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, l.Save(io.Discard))
	}
}

func BenchmarkLedgerRestore(b *testing.B) {
	file := saved(b, fullLedger(1_000_000))
	b.ReportAllocs()
	for b.Loop() {
		_, err := RestoreLedger(bytes.NewReader(file), subscribers)
		require.NoError(b, err)
	}
}

// What a scrape of metrics costs, and a new stream.
func BenchmarkLedgerAll(b *testing.B) {
	l := fullLedger(1_000_000)
	b.Run("all", func(b *testing.B) {
		for b.Loop() {
			for range l.All() {
			}
		}
	})
	b.Run("synced", func(b *testing.B) {
		for b.Loop() {
			l.Begin()
			l.Add(isSynced)
		}
	})
}
