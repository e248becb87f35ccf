//go:build linux

package main

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/go-fastpath/fastpath/offload"
)

// An agent keeps the ruleset of one object attached: a Manager and its Run. It is for one goroutine, but for what newest holds.
type agent struct {
	manager *offload.Manager
	desired Desired
	stop    context.CancelFunc
	ended   chan struct{} // closed when Run and the reading of its statuses are over
	err     error         // of Run, once it ended
	newest  atomic.Pointer[offload.Status]
}

// start runs an object's ruleset. Changed is called after each status, and once Run ended.
func start(ctx context.Context, manager *offload.Manager, desired Desired, changed func()) *agent {
	ctx, stop := context.WithCancel(ctx)
	a := &agent{manager: manager, desired: desired, stop: stop, ended: make(chan struct{})}
	ruleset := desired.Ruleset // desired changes with Update
	told := make(chan struct{})
	go func() {
		defer close(told)
		for status := range manager.Statuses(ctx) {
			a.newest.Store(status)
			changed()
		}
	}()
	go func() {
		a.err = manager.Run(ctx, &ruleset)
		stop()
		<-told
		close(a.ended)
		changed()
	}()
	return a
}

// over reports whether Run ended.
func (a *agent) over() bool {
	select {
	case <-a.ended:
		return true
	default:
		return false
	}
}

// close ends Run and waits for it. The ruleset stays in force.
func (a *agent) close() error {
	a.stop()
	<-a.ended
	if errors.Is(a.err, context.Canceled) {
		a.err = nil
	}
	return errors.Join(a.err, a.manager.Close())
}
