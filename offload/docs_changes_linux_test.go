package offload_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// A diary collects what a Watcher tells of a flow.
type diary struct {
	mu      sync.Mutex
	changes []conntrack.Change
	read    int // how many of them await has passed
	err     error
}

// follow keeps a diary of a flow that is in the table already. When it returns, nothing that happens from then on is missed.
func (l *lab) follow(t *testing.T, f *testns.Flow) *diary {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	d := &diary{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for c, err := range l.watcher.Changes(ctx, matchOf(f)) {
			d.note(c, err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		assert.ErrorIs(t, d.err, context.Canceled, "how the stream ended")
	})
	d.await(t, "the snapshot", func(c conntrack.Change) bool { return c.Kind == conntrack.New })
	return d
}

func (d *diary) note(c conntrack.Change, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.err = err
		return
	}
	d.changes = append(d.changes, c)
}

// await returns the next change that fulfils a condition, after the one that await returned last.
func (d *diary) await(t *testing.T, what string, ok func(conntrack.Change) bool) conntrack.Change {
	t.Helper()
	var found conntrack.Change
	err := await(t, func(context.Context) (bool, error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		for d.read < len(d.changes) {
			found = d.changes[d.read]
			d.read++
			if ok(found) {
				return true, nil
			}
		}
		return false, d.err
	})
	if err != nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		require.NoError(t, errors.Join(err, d.err), "waiting for %s; told so far: %v", what, d.changes)
	}
	return found
}

// becomes is the condition that a flow changed to a path.
func becomes(p conntrack.Path) func(conntrack.Change) bool {
	return func(c conntrack.Change) bool { return c.Kind == conntrack.PathChanged && c.Entry.Path() == p }
}
