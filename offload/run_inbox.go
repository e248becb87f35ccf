package offload

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/ruleset"
)

// A notice is what happened since someone looked last, many events in one.
type notice struct {
	devices     bool      // devices or routes changed, or anything may have
	generation  uint32    // newest of the ruleset that was announced; 0 is none
	rules       bool      // the ruleset changed, and nobody knows to which generation
	first, last time.Time // when it came
	what        string    // the first of it, for logs
	writers     []writer  // who changed the ruleset
	more        int       // how many came after the first

	update   *ruleset.Spec
	listener error        // the stream of events ended
	stands   bool         // it stands
	stale    *[]StaleFlow // those that were found last
}

// An inbox gathers news for the one who waits for wake.
type inbox struct {
	wake chan struct{}

	mu  sync.Mutex
	all *notice
}

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

// put adds news.
func (b *inbox) put(n *notice) {
	n.first = time.Now()
	n.last = n.first
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all == nil {
		b.all = n
	} else {
		b.all.add(n)
	}
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// add puts what came later to what came first.
func (n *notice) add(later *notice) {
	n.devices = n.devices || later.devices
	n.rules = n.rules || later.rules
	if later.generation != 0 {
		n.generation = later.generation
	}
	if later.update != nil {
		n.update = later.update
	}
	if later.stands || later.listener != nil {
		n.stands, n.listener = later.stands, later.listener
	}
	if later.stale != nil {
		n.stale = later.stale
	}
	n.writers = latest(append(n.writers, later.writers...))
	n.last = later.last
	n.more++
}

// take empties the inbox; nil is no news.
func (b *inbox) take() *notice {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.all
	b.all = nil
	return n
}

// String names the first, and how many there were.
func (n *notice) String() string {
	if n.more > 0 {
		return fmt.Sprintf("%s, and %d more", n.what, n.more)
	}
	return n.what
}

// noticeOf is what an event means to Run.
func noticeOf(e *Event) *notice {
	n := &notice{what: string(e.Kind)}
	if e.Device != "" {
		n.what += " " + flowtable.Spelled(e.Device)
	}
	if e.What != "" {
		n.what += ": " + e.What
	}
	switch e.Kind {
	case EventRuleset:
		n.generation, n.rules = e.Generation, e.Generation == 0
		n.writers = []writer{{e.Generation, e.Writer}}
	case EventLost:
		n.devices, n.rules, n.stands = true, true, true
		n.what = "announcements: " + e.What
	default:
		n.devices = true
	}
	return n
}

// A listener passes a Kernel's events on to an inbox, and subscribes again when the stream ends.
type listener struct {
	routes bool
	stop   func()
}

// listen starts a listener, if there is something to listen to.
func (r *run) listen(ctx context.Context) {
	k, ok := r.m.kernel.(Eventful)
	if !ok {
		r.startAt = time.Now()
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	cfg := EventConfig{Routes: wantsRoutes(r.spec)}
	done := make(chan struct{})
	r.listener = listener{routes: cfg.Routes, stop: func() { cancel(); <-done }}
	go func() {
		defer close(done)
		subscribe(ctx, k, cfg, func(e *Event, err error) {
			if errors.Is(err, ErrNamespaceGone) {
				r.end(err)
				return
			}
			if err != nil {
				r.inbox.put(&notice{listener: err, devices: true, rules: true, what: "the announcements ended"})
				return
			}
			r.inbox.put(noticeOf(e))
		})
	}()
}

// subscribe passes on what a Kernel announces, until ctx ends. Where the stream ends, which an error says, it subscribes again, with pauses that grow
// as long as nothing but the subscription is announced.
func subscribe(ctx context.Context, k Eventful, cfg EventConfig, each func(e *Event, err error)) {
	wait := backoff{shortest: 100 * time.Millisecond, longest: 30 * time.Second}
	for {
		for e, err := range k.Events(ctx, cfg) {
			if ctx.Err() != nil {
				return
			}
			if err == nil && e.Kind != EventLost {
				wait.reset()
			}
			each(&e, err)
		}
		if pause(ctx, wait.next()) != nil {
			return
		}
	}
}

// listenAgain starts another listener if the Spec needs other events now.
func (r *run) listenAgain(ctx context.Context) {
	if r.listener.stop != nil && r.listener.routes != wantsRoutes(r.spec) {
		r.listener.stop()
		r.listen(ctx)
	}
}

// wantsRoutes reports whether routes decide which devices are picked.
func wantsRoutes(spec *ruleset.Spec) bool {
	return anyFlowtable(spec, func(f *flowtable.Spec) bool {
		return slices.ContainsFunc(f.Devices, func(d flowtable.Selector) bool { return d.DefaultRoute })
	})
}
