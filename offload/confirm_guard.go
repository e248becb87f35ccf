package offload

import (
	"context"
	"sync"
)

// A guard takes a change back when its time comes.
type guard interface {
	// applied says that the change is in force, and that the tables look like this; "" is not known.
	applied(fingerprint string) error
	// release says that there is nothing to take back, and waits for the guard's end, within ctx and some seconds. It reports whether it ended.
	release(ctx context.Context) bool
	// hangUp leaves the guard alone: nothing more is told. At its time it takes back what bears the mark then, and ends.
	hangUp()
	// kill ends the guard, whatever it is at. It is for changes that bear no mark, or none any more.
	kill()
}

// checkGuard refuses what startGuard would, before anything is read.
func (m *Manager) checkGuard() error {
	if m.netns() != "" {
		return checkWatchdog(m.watchdog)
	}
	return nil
}

// startGuard has a change watched over: this machine's by another process, an imitated Kernel's by a goroutine.
func (m *Manager) startGuard(ctx context.Context, w *watch) (guard, error) {
	if netns := m.netns(); netns != "" {
		return startProcess(ctx, m.watchdog, netns, w)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	g := &goroutine{heard: make(chan news, 1), cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(g.ended)
		if err := w.keep(ctx, m, g.heard, nil); err != nil && ctx.Err() == nil {
			m.log.ErrorContext(ctx, "an unconfirmed change was not taken back", "owner", w.Mark.Owner, "err", err)
		}
	}()
	return g, nil
}

// A goroutine is a guard in this process.
type goroutine struct {
	heard  chan news
	cancel context.CancelFunc
	ended  chan struct{}
	hungUp sync.Once
}

func (g *goroutine) applied(fingerprint string) error {
	g.heard <- news{Stands: true, Applied: fingerprint}
	return nil
}

func (g *goroutine) release(ctx context.Context) bool {
	g.cancel()
	select {
	case <-g.ended:
		return true
	case <-ctx.Done():
		return false
	}
}

func (g *goroutine) hangUp() { g.hungUp.Do(func() { close(g.heard) }) }

func (g *goroutine) kill() { g.cancel() }
