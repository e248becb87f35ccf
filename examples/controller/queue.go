//go:build linux

package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// How long a name waits after it failed.
const (
	firstWait = 200 * time.Millisecond
	lastWait  = time.Minute
)

// A queue holds the names of objects to look at, each once, whatever their number of changes. Safe for concurrent use.
type queue struct {
	mu       sync.Mutex
	names    []string
	failures map[string]failures
	filled   chan struct{} // has an element when names may not be empty
}

// failures of one name in a row.
type failures struct {
	number int
	last   time.Time
}

func newQueue() *queue {
	return &queue{failures: map[string]failures{}, filled: make(chan struct{}, 1)}
}

// add puts a name at the end, unless it waits already.
func (q *queue) add(name string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, n := range q.names {
		if n == name {
			return
		}
	}
	q.names = append(q.names, name)
	q.wake()
}

func (q *queue) wake() {
	select {
	case q.filled <- struct{}{}:
	default:
	}
}

// next takes the first name, and waits for one. It is false when ctx ended.
func (q *queue) next(ctx context.Context) (string, bool) {
	for {
		select {
		case <-ctx.Done():
			return "", false
		case <-q.filled:
		}
		if name, ok := q.take(); ok {
			return name, true
		}
	}
}

func (q *queue) take() (string, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.names) == 0 {
		return "", false
	}
	name := q.names[0]
	if q.names = q.names[1:]; len(q.names) > 0 {
		q.wake()
	}
	return name, true
}

// done notes how it went. A name that failed comes back after a while, which doubles from failure to failure; the jitter keeps many
// from coming back at once. Success alone does not end a row, because what was started may fail a moment later: peace does. It
// returns that while.
func (q *queue) done(name string, err error) time.Duration {
	if err == nil {
		return 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	f := q.failures[name]
	if time.Since(f.last) > 2*lastWait {
		f.number = 0
	}
	wait := min(firstWait<<min(f.number, 16), lastWait)
	wait += rand.N(wait / 4)
	q.failures[name] = failures{f.number + 1, time.Now()}
	time.AfterFunc(wait, func() { q.add(name) })
	return wait
}
