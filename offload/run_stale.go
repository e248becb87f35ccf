package offload

import (
	"context"
	"fmt"
	"time"
)

// A StaleMode says what Run does about stale flows: see Manager.Stale. All but the zero one hear of every route and neighbour.
type StaleMode string

// The modes.
const (
	StaleIgnore StaleMode = ""       // nothing
	StaleReport StaleMode = "report" // they are in Status.Stale
	StaleEvict  StaleMode = "evict"  // they are evicted, and find their way anew
)

func (s StaleMode) check() error {
	switch s {
	case StaleIgnore, StaleReport, StaleEvict:
		return nil
	}
	return fmt.Errorf("offload: Config.Run.Stale is %q; write %q, %q or leave it empty", string(s), StaleReport, StaleEvict)
}

// staleEvery is the least time between two looks for stale flows.
const staleEvery = 500 * time.Millisecond

// watchWays looks for stale flows whenever links, routes or neighbours change, until ctx ends.
func (r *run) watchWays(ctx context.Context) {
	k, ok := r.m.kernel.(Eventful)
	if r.cfg.Stale == StaleIgnore || !ok {
		return
	}
	wake := make(chan struct{}, 1)
	r.background.Go(func() {
		subscribe(ctx, k, EventConfig{Routes: true}, func(e *Event, err error) {
			if err != nil || e.Kind == EventRuleset {
				return
			}
			select {
			case wake <- struct{}{}:
			default:
			}
		})
	})
	r.background.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-wake:
			}
			if pause(ctx, quiet) != nil {
				return
			}
			r.lookForStale(ctx)
			if pause(ctx, staleEvery) != nil {
				return
			}
		}
	})
}

// lookForStale reports what is stale, or evicts it if nobody forbids to write.
func (r *run) lookForStale(ctx context.Context) {
	evict := r.cfg.Stale == StaleEvict && !r.cfg.Observe
	find := r.m.Stale
	if evict {
		find = r.m.EvictStale
	}
	flows, err := find(ctx)
	if err != nil {
		if ctx.Err() == nil {
			r.m.log.WarnContext(ctx, "stale flows are not known", "owner", r.owner, "err", err)
		}
		return
	}
	if evict {
		return // the log tells which
	}
	r.inbox.put(&notice{stale: &flows, what: "stale flows"})
}

// tellStale adds them to the Status.
func (r *run) tellStale(flows []StaleFlow) {
	if len(flows) == 0 && len(r.status.Stale) == 0 {
		return
	}
	s := r.status
	s.Stale = flows
	r.status = s
	r.m.statuses.put(&s)
}
