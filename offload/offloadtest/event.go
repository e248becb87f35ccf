package offloadtest

import (
	"context"
	"iter"

	"github.com/go-fastpath/fastpath/offload"
)

var _ offload.Eventful = (*Kernel)(nil)

// A subscriber is one stream of events. What is not read yet waits.
type subscriber struct {
	routes bool
	queue  []offload.Event
	err    error // ends the stream
	wake   chan struct{}
}

// Events streams what changes: a subscription that stands, links, commits of anyone, and with EventConfig.Routes default routes.
func (k *Kernel) Events(ctx context.Context, cfg offload.EventConfig) iter.Seq2[offload.Event, error] {
	return func(yield func(offload.Event, error) bool) {
		s := k.subscribe(cfg)
		defer k.unsubscribe(s)
		for {
			e, ok, err := k.nextEvent(s)
			switch {
			case err != nil:
				yield(offload.Event{}, err)
				return
			case ok:
				if !yield(e, nil) {
					return
				}
				continue
			}
			select {
			case <-s.wake:
			case <-ctx.Done():
				yield(offload.Event{}, ctx.Err())
				return
			}
		}
	}
}

func (k *Kernel) subscribe(cfg offload.EventConfig) *subscriber {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := &subscriber{
		routes: cfg.Routes, wake: make(chan struct{}, 1), err: k.takeFault(atEvents).err,
		queue: []offload.Event{{Kind: offload.EventLost, What: "subscribed"}},
	}
	if k.subscribers == nil {
		k.subscribers = map[*subscriber]bool{}
	}
	k.subscribers[s] = true
	return s
}

func (k *Kernel) unsubscribe(s *subscriber) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.subscribers, s)
}

// nextEvent takes what waits first; a failure comes before it.
func (k *Kernel) nextEvent(s *subscriber) (offload.Event, bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s.err != nil || len(s.queue) == 0 {
		return offload.Event{}, false, s.err
	}
	e := s.queue[0]
	s.queue = s.queue[1:]
	return e, true, nil
}

// announce tells all streams. It is called with the lock held.
func (k *Kernel) announce(e offload.Event) {
	for s := range k.subscribers {
		if e.Kind == offload.EventRoutes && !s.routes {
			continue
		}
		if k.losing {
			s.queue = []offload.Event{{Kind: offload.EventLost, What: "the receive buffer overran"}}
		} else {
			s.queue = append(s.queue, e)
		}
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
	k.losing = false
}

func (k *Kernel) announceLink(name, what string) {
	k.table.loseTags()
	k.announce(offload.Event{Kind: offload.EventLinks, Device: name, What: what})
}

func (k *Kernel) announceRuleset() {
	k.announce(offload.Event{Kind: offload.EventRuleset, Generation: k.state.generation, What: "commit"})
}

// LoseEvents loses the next event, and whatever a stream did not read by then: it hears an EventLost instead.
func (k *Kernel) LoseEvents() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.losing = true
}

// FailEvents ends every open stream of events with err; where none is open, the next one.
func (k *Kernel) FailEvents(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.subscribers) == 0 {
		k.faults = append(k.faults, fault{at: atEvents, err: err})
		return
	}
	for s := range k.subscribers {
		s.err = err
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}
