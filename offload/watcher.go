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

// What a Kernel can tell of connections: this machine's names its namespace, an imitated one has a table.
type (
	placed  interface{ NetNS() string }
	tracked interface{ Conntrack() conntrack.Source }
)

// watcher reads the connections of the namespace; nil where the Kernel has none.
func (m *Manager) watcher(ctx context.Context) (*conntrack.Watcher, error) {
	c := &m.connections
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.opened != nil || c.closed {
		return c.opened, nil
	}
	cfg := conntrack.Config{Source: c.source}
	if !m.place(&cfg) {
		return nil, nil
	}
	w, err := conntrack.Open(ctx, &cfg)
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
	switch k := m.kernel.(type) {
	case placed:
		cfg.NetNS = k.NetNS()
	case tracked:
		cfg.Source = k.Conntrack()
	default:
		return false
	}
	return true
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
