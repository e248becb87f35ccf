package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/go-fastpath/fastpath/conntrack"
)

// A told is the table as Changes tells it.
type told struct {
	flows    map[conntrack.Key]conntrack.Status
	count    atomic.Int64
	behind   atomic.Bool // an Overrun was not made up for yet
	overruns int
}

// burstWork follows everything with the default settings. When ctx ends it is given the time to catch up; then what it was told is
// compared with a fresh dump.
func burstWork(ctx context.Context, _ *task, ready func()) (r report, err error) {
	w, err := conntrack.Open(context.Background(), nil)
	if err != nil {
		return r, err
	}
	defer w.Close()
	t := &told{flows: make(map[conntrack.Key]conntrack.Status)}
	end, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		<-ctx.Done()
		t.catchUp(w)
		stop()
	}()
	cpu, start := processTime(), time.Now()
	for c, err := range w.Changes(end, conntrack.Match{}) {
		if err != nil && !errors.Is(err, context.Canceled) {
			return r, err
		}
		if c.Kind == conntrack.Synced && ready != nil {
			ready()
			ready = nil
		}
		t.apply(&c)
	}
	r.CPU, r.Wall, r.Overruns, r.Count = processTime()-cpu, time.Since(start), t.overruns, len(t.flows)
	r.Mismatches, err = t.mismatches(w)
	return r, err
}

func (t *told) apply(c *conntrack.Change) {
	switch c.Kind {
	case conntrack.Overrun:
		t.overruns++
		t.behind.Store(true)
	case conntrack.Synced:
		t.behind.Store(false)
	case conntrack.Destroyed:
		delete(t.flows, c.Entry.Key())
	case conntrack.New, conntrack.PathChanged, conntrack.Counted:
		t.flows[c.Entry.Key()] = c.Entry.Status
	}
	t.count.Store(int64(len(t.flows)))
}

// catchUp waits until as many connections were told as there are, and no longer than some readings of the table take.
func (t *told) catchUp(w *conntrack.Watcher) {
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		s, err := w.Settings(context.Background())
		if err != nil || !t.behind.Load() && t.count.Load() == int64(s.Count) {
			return
		}
	}
}

// mismatches counts the connections that only one side has, or whose status differs.
func (t *told) mismatches(w *conntrack.Watcher) (n int, err error) {
	found := 0
	for e, err := range w.Entries(context.Background(), conntrack.Match{}) {
		if err != nil {
			return n, err
		}
		status, ok := t.flows[e.Key()]
		if !ok || status != e.Status {
			n++
		}
		if ok {
			found++
		}
	}
	return n + len(t.flows) - found, nil
}
