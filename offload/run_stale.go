package offload

import (
	"context"
	"errors"
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
		failed := backoff{shortest: staleEvery, longest: 30 * time.Second}
		again := time.NewTimer(0)
		again.Stop()
		defer again.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-wake:
			case <-again.C:
			}
			if pause(ctx, quiet) != nil {
				return
			}
			if r.lookForStale(ctx) {
				failed.reset()
			} else {
				again.Reset(failed.next())
			}
			if pause(ctx, staleEvery) != nil {
				return
			}
		}
	})
}

// lookForStale reports what is stale, or evicts it if nobody forbids to write and reports what stays. It is false where that has to be tried again.
func (r *run) lookForStale(ctx context.Context) bool {
	var err error
	if r.cfg.Stale == StaleEvict && !r.cfg.Observe {
		if _, err = r.m.EvictStale(ctx); err == nil { // the log tells which
			r.inbox.put(&notice{stale: new([]StaleFlow), what: "stale flows"})
			return true
		}
		r.m.log.WarnContext(ctx, "stale flows are not evicted", "owner", r.owner, "err", err)
	}
	flows, unknown := r.m.Stale(ctx)
	switch {
	case unknown == nil:
		r.inbox.put(&notice{stale: &flows, what: "stale flows"})
	case errors.Is(unknown, ErrNamespaceGone):
		r.end(unknown)
	case ctx.Err() == nil:
		r.m.log.WarnContext(ctx, "stale flows are not known", "owner", r.owner, "err", unknown)
	}
	return err == nil && unknown == nil || ctx.Err() != nil || errors.Is(unknown, errors.ErrUnsupported)
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
