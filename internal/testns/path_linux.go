package testns

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// proofRoundTrips is how many round trips prove a path.
	proofRoundTrips = 20
	// settleRoundTrips is more than it takes to offload a flow: two for UDP, whose first packet never is.
	settleRoundTrips = 3
	// measureTimeout ends one measurement, even past the end of the caller's context: a flow that was cut off in the middle of a
	// message is of no use any more.
	measureTimeout = 15 * time.Second
)

// Measure drives n round trips over a flow and takes samples before and after: what the forward hook saw and what conntrack holds.
// It watches the flow first if nobody does, which raises the ruleset's generation. n is at least 1.
func (r *Router) Measure(ctx context.Context, f *Flow, n int) (Evidence, error) {
	ctx, cancel := withDeadline(ctx)
	defer cancel()
	e := Evidence{Flow: f.Tuple()}
	if k, err := Kernel(); err == nil {
		e.Kernel = k.Text
	}
	err := r.Watch(ctx, e.Flow)
	if err == nil {
		e.Before, err = r.sample(ctx, e.Flow)
	}
	if err != nil {
		return e, err
	}
	return r.measureOn(ctx, f, n, e)
}

// measureOn is Measure from the samples that e has as Before.
func (r *Router) measureOn(ctx context.Context, f *Flow, n int, e Evidence) (Evidence, error) {
	talk, talkErr := f.RoundTrip(ctx, max(n, 1), 200)
	e.Talk, e.RoundTrips = talk, talk.Messages
	after, err := r.sample(ctx, e.Flow)
	if err != nil {
		// Nothing may be concluded from half a measurement.
		after, e.RoundTrips = e.Before, 0
	}
	e.After = after
	return e, errors.Join(talkErr, err)
}

// sample asks the forward hook and conntrack at the same time: tools are slow to start in emulation.
func (r *Router) sample(ctx context.Context, t Tuple) (Sample, error) {
	var s Sample
	var fwdErr, entryErr error
	var both sync.WaitGroup
	both.Go(func() { s.Forwarded, fwdErr = r.Forwarded(ctx, t) })
	both.Go(func() { s.Entry, entryErr = Conntrack(ctx, r.NS, t) })
	both.Wait()
	s.HasEntry = entryErr == nil
	if errors.Is(entryErr, ErrNoEntry) {
		entryErr = nil
	}
	return s, errors.Join(fwdErr, entryErr)
}

// Reaches drives traffic over a flow until it is proven to be on the path, and returns the evidence. When ctx ends first, or when
// the traffic stops, the error says why and prints all evidence with the router's ruleset. A measurement that has begun is
// finished, so Reaches may return up to 15 seconds after ctx when packets are lost.
func (r *Router) Reaches(ctx context.Context, f *Flow, path Path) (Evidence, error) {
	return r.reachesOne(ctx, f, path)
}

// reachesOne is Reaches for any one of several paths.
func (r *Router) reachesOne(ctx context.Context, f *Flow, paths ...Path) (Evidence, error) {
	ctx, cancel := withDeadline(ctx)
	defer cancel()
	e, err := r.measureWhole(ctx, func(ctx context.Context) (Evidence, error) {
		if err := r.settle(ctx, f); err != nil {
			return Evidence{Flow: f.Tuple()}, err
		}
		return r.Measure(ctx, f, proofRoundTrips)
	})
	for err == nil {
		proven, _ := e.Path()
		for _, p := range paths {
			if p == proven {
				return e, nil
			}
		}
		if expired(ctx) {
			err = context.DeadlineExceeded
			break
		}
		next := e
		next.Before = e.After
		e, err = r.measureWhole(ctx, func(ctx context.Context) (Evidence, error) {
			return r.measureOn(ctx, f, proofRoundTrips, next)
		})
	}
	e.Ruleset = r.rulesetForReport(ctx)
	_, why := e.Path()
	return e, fmt.Errorf("testns: %v is not proven on the path %v: %s: %w\n%v", f, paths, why, err, e)
}

// settle sends the packets that make a conntrack entry and offload the flow, so that the first measurement is about what comes after.
func (r *Router) settle(ctx context.Context, f *Flow) error {
	if err := r.Watch(ctx, f.Tuple()); err != nil { // turns connection tracking on, if nothing did
		return err
	}
	_, err := f.RoundTrip(ctx, settleRoundTrips, MinSize)
	return err
}

// measureWhole runs one measurement to its end, whatever becomes of ctx meanwhile.
func (r *Router) measureWhole(ctx context.Context, measure func(context.Context) (Evidence, error)) (Evidence, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), measureTimeout)
	defer cancel()
	return measure(ctx)
}

// rulesetForReport is the router's ruleset, or why it cannot be had.
func (r *Router) rulesetForReport(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), measureTimeout)
	defer cancel()
	text, err := r.NS.Ruleset(ctx)
	if err != nil {
		return err.Error() + "\n"
	}
	return text
}
