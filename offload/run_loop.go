package offload

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-fastpath/fastpath/ruleset"
)

// A run is one Run at work. All but inbox belongs to the goroutine that loops.
type run struct {
	m          *Manager
	cfg        RunConfig
	owner      string
	inbox      *inbox
	end        context.CancelCauseFunc
	background sync.WaitGroup
	listener   listener

	spec    *ruleset.Spec
	updated bool   // spec was not looked at yet
	known   uint32 // generation of the ruleset that was looked at last, or that our commit led to
	left    *left
	killed  killed
	seen    *view // of the look under way
	refused refused
	drift   drift
	writers []writer // those that were told of last
	deaf    error    // why there are no announcements

	driftOpen  []string // as Status.DriftOpen
	driftCount uint64
	driftAt    time.Time

	pace     pace
	trigger  string // the first change that was not served yet
	retry    backoff
	repairs  rate // commits that undid what others changed
	changes  uint64
	startAt  time.Time // when to look first, whatever was announced
	retryAt  time.Time
	thawAt   time.Time // until then nothing is looked at
	gatherAt time.Time // when to do what waits for more of its kind
	resyncAt time.Time
	grants   grantWatch

	devices map[deviceKey]DeviceStatus
	status  Status // as it was told last
}

// loop looks whenever something happened or it is time to, until ctx ends.
func (r *run) loop(ctx context.Context) {
	r.startAt = time.Now().Add(time.Second) // for a Kernel that does not tell when its stream stands
	r.tell(ctx, PhaseStarting, nil, nil)
	r.listen(ctx)
	r.watchWays(ctx)
	defer func() {
		if r.listener.stop != nil {
			r.listener.stop()
		}
		r.background.Wait()
	}()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		r.take(ctx)
		r.watchGrants(ctx)
		if why := r.due(time.Now()); why != "" {
			r.look(ctx, why)
			continue
		}
		timer.Stop()
		if at := r.next(); !at.IsZero() {
			timer.Reset(time.Until(at))
		}
		select {
		case <-ctx.Done():
		case <-r.inbox.wake:
		case <-timer.C:
		}
	}
}

// take works the news in. A ruleset of the generation that our own commit led to is no news.
func (r *run) take(ctx context.Context) {
	n := r.inbox.take()
	if n == nil {
		return
	}
	if n.update != nil {
		r.spec, r.updated = n.update, true
		r.left, r.refused, r.drift, r.driftOpen = nil, newRefused(), drift{}, nil
		r.repairs, r.thawAt = nil, time.Time{}
		r.listenAgain(ctx)
	}
	r.writers = latest(append(r.writers, n.writers...))
	if n.stale != nil {
		r.tellStale(*n.stale)
	}
	switch {
	case n.listener != nil:
		r.deaf = fmt.Errorf("changes are not announced: %w", n.listener)
		r.m.log.WarnContext(ctx, "changes are not announced", "err", n.listener)
	case n.stands:
		r.deaf = nil
	}
	rules := n.rules || n.generation != 0 && n.generation != r.known
	if n.devices || rules {
		if r.trigger == "" {
			r.trigger = n.String()
		}
		r.pace.note(n.first, n.last, rules)
	}
}

// due says why to look now; "" is not yet.
func (r *run) due(now time.Time) string {
	passed := func(t time.Time) bool { return !t.IsZero() && !now.Before(t) }
	switch {
	case r.updated:
		return "a new Spec"
	case passed(r.thawAt):
		r.thawAt, r.repairs = time.Time{}, nil
		return "the freeze is over"
	case !r.thawAt.IsZero():
		return ""
	case passed(r.pace.due()):
		return r.trigger
	case passed(r.gatherAt):
		return "what was gathered"
	case passed(r.retryAt):
		return "another try"
	case passed(r.refused.until):
		return "another try of what was refused"
	case passed(r.startAt):
		return "start"
	case passed(r.resyncAt):
		return "resync"
	}
	return ""
}

// next is when something will be due; zero is never.
func (r *run) next() time.Time {
	if !r.thawAt.IsZero() {
		return r.thawAt
	}
	at := time.Time{}
	for _, t := range []time.Time{r.pace.due(), r.gatherAt, r.retryAt, r.refused.until, r.startAt, r.resyncAt, r.grants.at} {
		at = earlier(at, t)
	}
	return at
}

// look does what is to be done now, and sets when to look again.
func (r *run) look(ctx context.Context, why string) {
	r.updated, r.trigger = false, ""
	r.startAt, r.retryAt, r.gatherAt = time.Time{}, time.Time{}, time.Time{}
	before := r.changes
	err := r.reconcile(withTrigger(ctx, why))
	if errors.Is(err, ErrNamespaceGone) {
		r.end(err)
	}
	r.pace.served(time.Now(), r.changes != before)
	if ctx.Err() != nil {
		return
	}
	now := time.Now()
	r.resyncAt = time.Time{}
	if r.cfg.Resync > 0 {
		r.resyncAt = now.Add(r.cfg.Resync)
	}
	if err == nil {
		r.retry.reset()
		r.seen = nil
		return
	}
	r.retryAt = now.Add(r.retry.next())
	r.m.log.WarnContext(ctx, "not as declared", "owner", r.owner, "because", why, "err", err, "retry", r.retryAt)
	r.tell(ctx, PhaseRetrying, r.seen, err)
	r.seen = nil
}
