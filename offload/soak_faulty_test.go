package offload_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

// faults decide by a seed which calls fail, and how.
type faults struct {
	mu     sync.Mutex
	random *rand.Rand
	rate   float64 // of the calls
	met    map[string]int
}

// n is a number below n, and f one below 1.
func (f *faults) n(n int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.random.IntN(n)
}

// strike reports whether something is to go wrong at a place, and notes it.
func (f *faults) strike(where string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.random.Float64() >= f.rate {
		return false
	}
	f.met[where]++
	return true
}

func (f *faults) set(rate float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rate = rate
}

// failure is what a system call may say to anything.
func (f *faults) failure() error {
	errnos := []syscall.Errno{syscall.EINTR, syscall.ENOBUFS, syscall.EPERM, syscall.EAGAIN, syscall.ENOMEM, syscall.EBUSY, syscall.ENOENT}
	return fmt.Errorf("injected: %w", errnos[f.n(len(errnos))])
}

// before is what may happen to a call before it is made: it waits, or fails.
func (f *faults) before(ctx context.Context, where string) error {
	if f.strike(where + " late") {
		wait := time.NewTimer(time.Duration(f.n(2000)) * time.Millisecond)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if f.strike(where) {
		return f.failure()
	}
	return nil
}

// A faultyKernel is a kernel in memory of which every call can fail, its connections too.
type faultyKernel struct {
	*offloadtest.Kernel
	*faults
	changed func() // is called behind what may have changed the ruleset, with the lock held
	lock    sync.Mutex
}

func (k *faultyKernel) TargetOf(ctx context.Context, features, defaultRoutes bool) (*flowtable.Target, error) {
	if err := k.before(ctx, "TargetOf"); err != nil {
		return nil, err
	}
	return k.Kernel.TargetOf(ctx, features, defaultRoutes)
}

func (k *faultyKernel) Survey(ctx context.Context) (*offload.Survey, error) {
	if err := k.before(ctx, "Survey"); err != nil {
		return nil, err
	}
	return k.Kernel.Survey(ctx)
}

func (k *faultyKernel) NextHops(ctx context.Context, addrs []netip.Addr) (map[netip.Addr]offload.Hop, error) {
	if err := k.before(ctx, "NextHops"); err != nil {
		return nil, err
	}
	return k.Kernel.NextHops(ctx, addrs)
}

func (k *faultyKernel) Devices(ctx context.Context, addrs []netip.Addr) (map[netip.Addr]string, error) {
	if err := k.before(ctx, "Devices"); err != nil {
		return nil, err
	}
	return k.Kernel.Devices(ctx, addrs)
}

func (k *faultyKernel) GenerationID(ctx context.Context) (uint32, error) {
	if err := k.before(ctx, "GenerationID"); err != nil {
		return 0, err
	}
	return k.Kernel.GenerationID(ctx)
}

func (k *faultyKernel) Dump(ctx context.Context) iter.Seq2[ruleset.Message, error] {
	return k.torn(ctx, "Dump", k.Kernel.Dump)
}

func (k *faultyKernel) DumpOf(ctx context.Context, wanted func(ruleset.LoadedTable) bool) iter.Seq2[ruleset.Message, error] {
	return k.torn(ctx, "DumpOf", func(ctx context.Context) iter.Seq2[ruleset.Message, error] { return k.Kernel.DumpOf(ctx, wanted) })
}

func (k *faultyKernel) ChangedSince(ctx context.Context, generation uint32) (offload.Changes, error) {
	if err := k.before(ctx, "ChangedSince"); err != nil {
		return offload.Changes{}, err
	}
	c, err := k.Kernel.ChangedSince(ctx, generation)
	if k.strike("ChangedSince lost") {
		c = offload.Changes{Generation: c.Generation}
	}
	return c, err
}

func (k *faultyKernel) Flowtables(ctx context.Context) iter.Seq2[ruleset.Message, error] {
	return k.torn(ctx, "Flowtables", k.Kernel.Flowtables)
}

// torn is a listing that may fail at the start or in its middle, and into which another generation may come.
func (k *faultyKernel) torn(ctx context.Context, where string, list func(context.Context) iter.Seq2[ruleset.Message, error]) iter.Seq2[ruleset.Message, error] {
	return func(yield func(ruleset.Message, error) bool) {
		if err := k.before(ctx, where); err != nil {
			yield(ruleset.Message{}, err)
			return
		}
		breaks, mixes, at := k.strike(where+" breaks"), k.strike(where+" torn"), k.n(8)
		n := 0
		for m, err := range list(ctx) {
			if n == at && breaks {
				yield(ruleset.Message{}, k.failure())
				return
			}
			if n++; mixes && n > at {
				m.Generation++
			}
			if !yield(m, err) {
				return
			}
		}
	}
}

func (k *faultyKernel) Commit(ctx context.Context, b *ruleset.Batch) ([]ruleset.Message, error) {
	if err := k.before(ctx, "Commit"); err != nil {
		return nil, err
	}
	switch {
	case k.strike("Commit is late"):
		return nil, &ruleset.CommitError{Refusals: []ruleset.Refusal{{Errno: 85}}} // ERESTART: the generation moved on
	case k.strike("Commit is dropped"):
		return nil, &ruleset.CommitError{Unknown: true}
	case k.strike("Commit is refused"):
		return nil, &ruleset.CommitError{Refusals: []ruleset.Refusal{{Message: k.n(b.Messages()), Errno: int(syscall.ENOMEM)}}}
	}
	k.lock.Lock()
	echoes, err := k.Kernel.Commit(ctx, b)
	k.changed()
	k.lock.Unlock()
	switch {
	case err != nil:
		return nil, err
	case k.strike("the answer to Commit is lost"):
		return nil, &ruleset.CommitError{Unknown: true}
	case k.strike("Commit fails late"):
		return nil, k.failure()
	case k.strike("Commit echoes nothing"):
		return nil, nil
	}
	return echoes, nil
}

func (k *faultyKernel) Check(ctx context.Context, b *ruleset.Batch) error {
	if err := k.before(ctx, "Check"); err != nil {
		return err
	}
	return k.Kernel.Check(ctx, b)
}

// Events may break, come twice, and be lost: with a word, or without.
func (k *faultyKernel) Events(ctx context.Context, cfg offload.EventConfig) iter.Seq2[offload.Event, error] {
	return func(yield func(offload.Event, error) bool) {
		if err := k.before(ctx, "Events"); err != nil {
			yield(offload.Event{}, err)
			return
		}
		for e, err := range k.Kernel.Events(ctx, cfg) {
			switch {
			case err != nil:
				yield(e, err)
				return
			case k.strike("Events break"):
				yield(offload.Event{}, k.failure())
				return
			case e.Kind != offload.EventLost && k.strike("an Event is lost"):
				continue
			case k.strike("Events overrun"):
				e = offload.Event{Kind: offload.EventLost, What: "injected"}
			case k.strike("an Event comes twice") && !yield(e, nil):
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (k *faultyKernel) LockFrom(ctx context.Context, owner string, takeover bool) (<-chan struct{}, func() error, uint32, error) {
	if err := k.before(ctx, "LockFrom"); err != nil {
		return nil, nil, 0, err
	}
	lost, release, from, err := k.Kernel.LockFrom(ctx, owner, takeover)
	if err != nil {
		return nil, nil, 0, err
	}
	return lost, func() error {
		err := release()
		if k.strike("the lock's release") {
			err = k.failure()
		}
		return err
	}, from, nil
}

func (k *faultyKernel) Probe(ctx context.Context, devices []string, force bool) ([]flowtable.Answer, error) {
	if err := k.before(ctx, "Probe"); err != nil {
		return nil, err
	}
	return k.Kernel.Probe(ctx, devices, force)
}

func (k *faultyKernel) Sysctl(ctx context.Context, key string) (string, error) {
	if err := k.before(ctx, "Sysctl"); err != nil {
		return "", err
	}
	return k.Kernel.Sysctl(ctx, key)
}

func (k *faultyKernel) WriteSysctl(ctx context.Context, key, value string) error {
	if err := k.before(ctx, "WriteSysctl"); err != nil {
		return err
	}
	return k.Kernel.WriteSysctl(ctx, key, value)
}

func (k *faultyKernel) Conntrack() conntrack.Source {
	return &faultySource{k.Kernel.Conntrack(), k.faults}
}

// A faultySource is the kernel's connections, of which every call can fail.
type faultySource struct {
	conntrack.Source
	*faults
}

func (s *faultySource) Dump(ctx context.Context, m conntrack.Match) iter.Seq2[conntrack.Entry, error] {
	return func(yield func(conntrack.Entry, error) bool) {
		if err := s.before(ctx, "conntrack Dump"); err != nil {
			yield(conntrack.Entry{}, err)
			return
		}
		breaks, at, n := s.strike("conntrack Dump breaks"), s.n(8), 0
		for e, err := range s.Source.Dump(ctx, m) {
			if n++; breaks && n > at {
				yield(conntrack.Entry{}, s.failure())
				return
			}
			if err == nil && s.strike("conntrack Dump repeats") && !yield(e, nil) {
				return
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

func (s *faultySource) Lookup(ctx context.Context, key conntrack.Key) (conntrack.Entry, error) {
	if err := s.before(ctx, "Lookup"); err != nil {
		return conntrack.Entry{}, err
	}
	return s.Source.Lookup(ctx, key)
}

func (s *faultySource) Delete(ctx context.Context, key conntrack.Key) error {
	if err := s.before(ctx, "Delete"); err != nil {
		return err
	}
	err := s.Source.Delete(ctx, key)
	if err == nil && s.strike("the answer to Delete is lost") {
		return s.failure()
	}
	return err
}

func (s *faultySource) DeleteAll(ctx context.Context, m conntrack.Match) error {
	if err := s.before(ctx, "DeleteAll"); err != nil {
		return err
	}
	if s.strike("DeleteAll is not known") {
		return errors.ErrUnsupported
	}
	return s.Source.DeleteAll(ctx, m)
}

func (s *faultySource) Settings(ctx context.Context) (conntrack.Settings, error) {
	if err := s.before(ctx, "Settings"); err != nil {
		return conntrack.Settings{}, err
	}
	return s.Source.Settings(ctx)
}

func (s *faultySource) Subscribe(ctx context.Context, m conntrack.Match) (conntrack.Subscription, error) {
	if err := s.before(ctx, "Subscribe"); err != nil {
		return nil, err
	}
	q, err := s.Source.Subscribe(ctx, m)
	if err != nil {
		return nil, err
	}
	return &faultySubscription{q, s.faults}, nil
}

type faultySubscription struct {
	conntrack.Subscription
	*faults
}

// Notifications may break, come twice, and be lost: always with a word, as the kernel gives.
func (q *faultySubscription) Notifications(ctx context.Context, wait time.Duration) iter.Seq2[conntrack.Notification, error] {
	return func(yield func(conntrack.Notification, error) bool) {
		if err := q.before(ctx, "Notifications"); err != nil {
			yield(conntrack.Notification{}, err)
			return
		}
		for n, err := range q.Subscription.Notifications(ctx, wait) {
			switch {
			case err != nil:
			case q.strike("Notifications break"):
				yield(conntrack.Notification{}, q.failure())
				return
			case q.strike("a Notification is lost"):
				n, err = conntrack.Notification{}, conntrack.ErrOverrun
			case q.strike("a Notification comes twice") && !yield(n, nil):
				return
			}
			if !yield(n, err) {
				return
			}
		}
	}
}
