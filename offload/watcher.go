package offload

import (
	"context"
	"sync"

	"github.com/go-fastpath/fastpath/conntrack"
)

// Connections are those of the Manager's namespace, opened when they are first asked for.
type connections struct {
	mu     sync.Mutex
	source conntrack.Source
	opened *conntrack.Watcher
	closed bool
}

// watcher reads the connections of the namespace; nil where the Kernel has none. The kernel is asked
// without the lock, so that nobody waits for another's slow reading behind their own context.
func (m *Manager) watcher(ctx context.Context) (*conntrack.Watcher, error) {
	c := &m.connections
	if w, settled := c.current(); settled {
		return w, nil
	}
	cfg := conntrack.Config{Source: c.source}
	if !m.place(&cfg) {
		return nil, nil
	}
	var err error
	if cfg.LosesTags, err = m.losesTags(ctx); err != nil {
		return nil, err
	}
	return c.open(ctx, &cfg)
}

// current is the watcher that is open, and whether there is nothing to open: one is, or all is closed.
func (c *connections) current() (w *conntrack.Watcher, settled bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.opened, c.opened != nil || c.closed
}

// open opens the watcher unless another caller was faster.
func (c *connections) open(ctx context.Context, cfg *conntrack.Config) (*conntrack.Watcher, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.opened != nil || c.closed {
		return c.opened, nil
	}
	w, err := conntrack.Open(ctx, cfg)
	if err == nil {
		c.opened = w
	}
	return w, err
}

// place points a Config without a Source at the Manager's namespace; false if the Kernel has no connections.
func (m *Manager) place(cfg *conntrack.Config) bool {
	if cfg.Source != nil {
		return true
	}
	if cfg.NetNS = m.netns(); cfg.NetNS != "" {
		return true
	}
	k, ok := m.kernel.(Tracked)
	if ok {
		cfg.Source = k.Conntrack()
	}
	return ok
}

// losesTags reports whether the kernel can take [OFFLOAD] from a connection whose flow stays in its flowtable.
func (m *Manager) losesTags(ctx context.Context) (bool, error) {
	target, err := m.target(ctx, false, false)
	return err == nil && target.Kernel.HasQuirk("tag-can-be-lost"), err
}

// netns is the network namespace of this machine that the Manager works in; "" for a Kernel that is in none.
func (m *Manager) netns() string {
	if k, ok := m.kernel.(Placed); ok {
		return k.NetNS()
	}
	return ""
}

// letGo closes what was opened; it may be opened again.
func (c *connections) letGo() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.opened
	if w == nil || c.source != nil {
		return nil
	}
	c.opened = nil
	return w.Close()
}

func (c *connections) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.opened
	c.opened, c.closed = nil, true
	switch {
	case w != nil:
		return w.Close()
	case c.source != nil:
		return c.source.Close()
	}
	return nil
}
