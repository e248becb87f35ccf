package offloadtest

import (
	"context"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"time"

	"github.com/go-fastpath/fastpath/conntrack"
)

// connections is the table of connections, and who listens.
type connections struct {
	entries []conntrack.Entry
	nextID  uint32
	queues  map[*subscription]bool
}

// Conntrack is the kernel's table of connections as a conntrack.Config takes it. It is not the Kernel itself, because both
// interfaces have a Dump.
func (k *Kernel) Conntrack() conntrack.Source { return source{k} }

// AddFlow begins a connection, and notifies. An ID of 0 is filled in, a Reply without addresses is Orig reversed. It
// replaces one of the same tuple and zone.
func (k *Kernel) AddFlow(e conntrack.Entry) conntrack.Entry {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e.ID == 0 {
		k.table.nextID++
		e.ID = k.table.nextID
	}
	if !e.Reply.Src.IsValid() {
		e.Reply = e.Orig.Reversed()
	}
	k.table.remove(e.Key())
	k.table.entries = append(k.table.entries, e)
	k.table.notify(conntrack.NotifyNew, e)
	return e
}

// SetFlow changes a connection of the same tuple and zone without a word, as the kernel does with offload bits and
// counters. It reports whether there is one.
func (k *Kernel) SetFlow(e conntrack.Entry) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	i := k.table.find(e.Key())
	if i >= 0 {
		k.table.entries[i] = e
	}
	return i >= 0
}

// UpdateFlow is SetFlow with a notification, as the kernel gives for a mark or a TCP state.
func (k *Kernel) UpdateFlow(e conntrack.Entry) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	i := k.table.find(e.Key())
	if i >= 0 {
		k.table.entries[i] = e
		k.table.notify(conntrack.NotifyUpdate, e)
	}
	return i >= 0
}

// DelFlow ends a connection, and notifies with its last counters. It reports whether there was one.
func (k *Kernel) DelFlow(key conntrack.Key) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.table.end(key)
}

// Overrun makes every subscription lose what it has not read yet, and say so.
func (k *Kernel) Overrun() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for q := range k.table.queues {
		q.put(queued{err: conntrack.ErrOverrun}, true)
	}
}

// find looks a connection up as ctnetlink does, by tuple and zone; -1 if there is none.
func (c *connections) find(key conntrack.Key) int {
	return slices.IndexFunc(c.entries, func(e conntrack.Entry) bool { return e.Orig == key.Orig && e.Zone == key.Zone })
}

func (c *connections) remove(key conntrack.Key) (conntrack.Entry, bool) {
	i := c.find(key)
	if i < 0 {
		return conntrack.Entry{}, false
	}
	e := c.entries[i]
	c.entries = slices.Delete(c.entries, i, i+1)
	return e, true
}

func (c *connections) end(key conntrack.Key) bool {
	e, ok := c.remove(key)
	if ok {
		c.notify(conntrack.NotifyDestroy, e)
	}
	return ok
}

// notify tells all that listen. Counters come with the end alone.
func (c *connections) notify(kind conntrack.NotificationKind, e conntrack.Entry) {
	if kind != conntrack.NotifyDestroy {
		e.Sent, e.Received = conntrack.Counters{}, conntrack.Counters{}
	}
	for q := range c.queues {
		q.put(queued{notification: conntrack.Notification{Kind: kind, Entry: e}}, false)
	}
}

// A source is a Kernel's connections.
type source struct{ k *Kernel }

// Dump yields the connections that m matches, as they were when it began.
func (s source) Dump(ctx context.Context, m conntrack.Match) iter.Seq2[conntrack.Entry, error] {
	return func(yield func(conntrack.Entry, error) bool) {
		s.k.mu.Lock()
		entries := slices.Clone(s.k.table.entries)
		s.k.mu.Unlock()
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				yield(conntrack.Entry{}, err)
				return
			}
			if m.Matches(&e) && !yield(e, nil) {
				return
			}
		}
	}
}

// Lookup reads one connection by tuple and zone.
func (s source) Lookup(ctx context.Context, key conntrack.Key) (conntrack.Entry, error) {
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	if i := s.k.table.find(key); i >= 0 {
		return s.k.table.entries[i], ctx.Err()
	}
	return conntrack.Entry{}, fmt.Errorf("look up %v: %w", key.Orig, fs.ErrNotExist)
}

// Delete removes one connection of that tuple, zone and ID.
func (s source) Delete(ctx context.Context, key conntrack.Key) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	if i := s.k.table.find(key); i < 0 || key.ID != 0 && s.k.table.entries[i].ID != key.ID {
		return fmt.Errorf("delete %v: %w", key.Orig, fs.ErrNotExist)
	}
	s.k.table.end(key)
	return nil
}

// DeleteAll removes what m matches.
func (s source) DeleteAll(ctx context.Context, m conntrack.Match) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	for _, e := range slices.Clone(s.k.table.entries) {
		if m.Matches(&e) {
			s.k.table.end(e.Key())
		}
	}
	return nil
}

// Settings are those of the sysctls: notifications always come.
func (s source) Settings(ctx context.Context) (conntrack.Settings, error) {
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	return conntrack.Settings{
		Accounting: s.k.sysctls[accounting] == "1", Events: 1, Count: len(s.k.table.entries),
		TCPLoose: s.k.sysctls["net.netfilter.nf_conntrack_tcp_loose"] != "0",
	}, ctx.Err()
}

// Close does nothing, as Kernel.Close.
func (s source) Close() error { return nil }

// Subscribe starts a queue.
func (s source) Subscribe(ctx context.Context, _ conntrack.Match) (conntrack.Subscription, error) {
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	if s.k.table.queues == nil {
		s.k.table.queues = map[*subscription]bool{}
	}
	q := &subscription{k: s.k, wake: make(chan struct{}, 1)}
	s.k.table.queues[q] = true
	return q, ctx.Err()
}

// A subscription is a queue without bound; its fields are guarded by the Kernel's lock.
type subscription struct {
	k    *Kernel
	list []queued
	wake chan struct{}
}

type queued struct {
	notification conntrack.Notification
	err          error
}

func (q *subscription) put(x queued, instead bool) {
	if instead {
		q.list = nil
	}
	q.list = append(q.list, x)
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *subscription) take() (queued, bool) {
	q.k.mu.Lock()
	defer q.k.mu.Unlock()
	if len(q.list) == 0 {
		return queued{}, false
	}
	x := q.list[0]
	q.list = q.list[1:]
	return x, true
}

// Notifications yields what is queued and what comes until wait is over.
func (q *subscription) Notifications(ctx context.Context, wait time.Duration) iter.Seq2[conntrack.Notification, error] {
	return func(yield func(conntrack.Notification, error) bool) {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		for {
			if x, ok := q.take(); ok {
				if !yield(x.notification, x.err) {
					return
				}
				continue
			}
			if wait <= 0 {
				return
			}
			select {
			case <-ctx.Done():
				yield(conntrack.Notification{}, ctx.Err())
				return
			case <-timer.C:
				return
			case <-q.wake:
			}
		}
	}
}

// Close ends the queue.
func (q *subscription) Close() error {
	q.k.mu.Lock()
	defer q.k.mu.Unlock()
	delete(q.k.table.queues, q)
	return nil
}
