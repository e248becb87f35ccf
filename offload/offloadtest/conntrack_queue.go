package offloadtest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"time"

	"github.com/go-fastpath/fastpath/conntrack"
)

// Subscribe starts a queue. It leaves nothing out: a Watcher has to look at what comes anyway.
func (s source) Subscribe(ctx context.Context, _ conntrack.Match) (conntrack.Subscription, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	if s.k.table.queues == nil {
		s.k.table.queues = map[*subscription]bool{}
	}
	q := &subscription{k: s.k, wake: make(chan struct{}, 1)}
	s.k.table.queues[q] = true
	return q, nil
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
	q.wakeUp()
}

func (q *subscription) wakeUp() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take is what comes next; closed is an error, as of a socket.
func (q *subscription) take() (queued, bool) {
	q.k.mu.Lock()
	defer q.k.mu.Unlock()
	if !q.k.table.queues[q] {
		return queued{err: fmt.Errorf("watch the connections: %w", os.ErrClosed)}, true
	}
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
			if err := ctx.Err(); err != nil {
				yield(conntrack.Notification{}, err)
				return
			}
			if x, ok := q.take(); ok {
				if !yield(x.notification, x.err) || errors.Is(x.err, os.ErrClosed) {
					return
				}
				continue
			}
			if wait <= 0 {
				return
			}
			select {
			case <-ctx.Done():
			case <-timer.C:
				return
			case <-q.wake:
			}
		}
	}
}

// Close ends the queue, and whoever waits for it.
func (q *subscription) Close() error {
	q.k.mu.Lock()
	defer q.k.mu.Unlock()
	delete(q.k.table.queues, q)
	q.wakeUp()
	return nil
}
