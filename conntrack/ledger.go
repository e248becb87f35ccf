package conntrack

import (
	"iter"
	"sync"
)

// A Ledger keeps accounts of what connections counted, by a key of the caller's choice: the mark, the subscriber's address, the zone. It is fed
// with the changes of a [Watcher] and outlives the connections, the streams and, saved and restored, the program. It is safe for
// concurrent use: a scrape of metrics reads while the stream is booked.
//
// Nothing is booked twice. A connection that another stream shows again, after a restart with or without a file, is known by its [Key], and
// only what it counted since is booked; where its counters stand lower than they did, another connection has the key and all of it is booked.
// What can be missed instead: the last bytes of a connection that ended while no stream was read (Account.Lost counts them), all of one that
// began and ended in that time, and, where a connection was made again with the same id and tuple in that time and has counted more than the
// one before, as much as that one had. With net.netfilter.nf_conntrack_timestamp=1 the start times tell those two apart.
//
// A Ledger takes 96 bytes for a connection and 4 to 8 to find it, none of which the garbage collector has to scan, and some 120 and its key
// twice for an account. The memory of the most connections that there ever were is kept for the next ones.
type Ledger[K comparable] struct {
	key func(Entry) (K, bool)

	mu       sync.Mutex
	accounts accounts[K]
	flows    ledgerFlows
	begun    bool // the stream has not told Synced yet
}

// An Account is what was booked for one key. Nothing in it ever falls but Live. It is a plain value.
//
// It does not tell the paths: what was counted between two readings may have gone several ways, and a connection that began and ended between
// two may never have been seen on the fast one. Who wants that estimate takes the path into the key: a delta then goes to the path at its report.
type Account struct {
	Flows     uint64   // connections that had the key; one that came back to it counts again
	Live      uint64   // connections that have it now
	Sent      Counters // sum of the original direction; OK is false as long as no counters were seen, which is not zero
	Received  Counters // sum of the reply direction
	Lost      uint64   // connections whose last counts are missing: they ended unseen, or while no stream was read
	Uncounted uint64   // connections that ended without counters: accounting was off when they began
}

// NewLedger makes an empty Ledger. The key of a connection is asked at each of its changes, in the goroutine of Add, and a delta is booked to the
// key that the entry has at that change. With false it is booked nowhere; the connection is kept all the same, for it may get a key later,
// and then only what it counts from then on is booked.
func NewLedger[K comparable](key func(Entry) (K, bool)) *Ledger[K] {
	return &Ledger[K]{key: key, begun: true, accounts: accounts[K]{byKey: map[K]uint32{}}, flows: ledgerFlows{table: newTable[ledgerFlow](chunkSize)}}
}

// Begin says that the next Add is the first of another call of Watcher.Changes; a new or restored Ledger needs none. The connections that
// are not shown again until the stream tells Synced have ended, and count as Lost. Without Begin, the sums would be right and those would
// stay Live.
//
// Should one of them be shown later after all (the kernel overlooked it, the match did not have it at that moment, Config.MaxFlows
// was reached), it begins again, and still nothing is booked twice: what was booked of it is kept, for an eighth of the connections at
// least. If more go that way, the rest is booked twice: follow with a Match of what a connection keeps all its life (prefixes, protocol, zones)
// rather than of its path or status, which many may lose at once.
func (l *Ledger[K]) Begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begun = true
	for _, f := range l.flows.from(0) {
		f.flags &^= ledgerShown
	}
}

// Get is the account of one key, and whether there is one.
func (l *Ledger[K]) Get(key K) (Account, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, ok := l.accounts.byKey[key]
	if !ok {
		return Account{}, false
	}
	return *l.accounts.at(i), true
}

// All yields every account, in no order. They are copied when the loop begins: all as they were at that moment.
func (l *Ledger[K]) All() iter.Seq2[K, Account] {
	return func(yield func(K, Account) bool) {
		for _, s := range l.snapshot() {
			if !yield(s.key, s.Account) {
				return
			}
		}
	}
}

func (l *Ledger[K]) snapshot() []accountSlot[K] {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]accountSlot[K], 0, len(l.accounts.byKey))
	for _, i := range l.accounts.byKey {
		list = append(list, l.accounts.slots[i-1])
	}
	return list
}

// Forget closes an account that has no live connections, and returns it: it is billed, and the key may never come back. If it does, its
// account begins at zero. It is false, and nothing was done, where there is no such account or it has live connections.
func (l *Ledger[K]) Forget(key K) (Account, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, ok := l.accounts.byKey[key]
	if !ok || l.accounts.at(i).Live > 0 {
		return Account{}, false
	}
	return l.accounts.remove(i), true
}
