package offload

import "context"

// startGuard has a change watched over: this machine's by another process, an imitated Kernel's by a goroutine.
func (m *Manager) startGuard(ctx context.Context, w *watch) (guard, error) {
	if k, ok := m.kernel.(placed); ok {
		return startProcess(ctx, m.watchdog, k.NetNS(), w)
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
}

func (g *goroutine) applied(fingerprint string) error {
	g.heard <- news{Applied: fingerprint}
	return nil
}

func (g *goroutine) release() {
	g.cancel()
	<-g.ended
}
