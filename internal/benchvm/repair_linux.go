package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/goal"
	"github.com/go-fastpath/fastpath/internal/kernel"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// repair flushes the ruleset under traffic, as someone else, and measures until the commit that brings it back and until the flow
// is in the fast path again.
func (b *bench) repair(ctx context.Context) (goals []goal.Goal, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, err := testns.NewRouter(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	s, err := begin(ctx, r.NS, declared(flowtable.Selector{Name: r.LANDevice}, flowtable.Selector{Name: r.WANDevice}))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	news, err := listen(ctx, r.NS)
	if err != nil {
		return nil, err
	}
	var repaired, fast []time.Duration
	for range 5 {
		back, proven, err := repairOnce(ctx, r, news)
		if err != nil {
			return nil, err
		}
		repaired, fast = append(repaired, back), append(fast, proven)
	}
	fmt.Fprintf(b.out, "flushed under traffic, 5 times: back after at most %v, the flow proven in the fast path after at most %v\n",
		slices.Max(repaired).Round(time.Millisecond), slices.Max(fast).Round(time.Millisecond))
	return []goal.Goal{goal.Of("flush-to-repaired-s", slices.Max(repaired).Seconds(), 1)}, nil
}

// repairOnce flushes while a flow talks. Another one proves that the fast path is back: what counted the first was flushed too.
func repairOnce(ctx context.Context, r *testns.Router, news <-chan heard) (repaired, proven time.Duration, err error) {
	flow, err := fastFlow(ctx, r)
	if err != nil {
		return 0, 0, err
	}
	defer flow.Close()
	traffic := flow.Start(20, 200)
	defer traffic.Close()
	drain(news)
	if _, err := r.NS.Run(ctx, "", "nft", "flush", "ruleset"); err != nil {
		return 0, 0, err
	}
	flushed, err := until(ctx, news, func(h heard) bool { return h.Kind == kernel.EventRuleset })
	if err != nil {
		return 0, 0, err
	}
	back, err := until(ctx, news, func(h heard) bool { return h.Kind == kernel.EventRuleset })
	if err != nil {
		return 0, 0, err
	}
	if report := traffic.Close(); report.Err != nil {
		return 0, 0, report.Err
	}
	again, err := fastFlow(ctx, r)
	if err != nil {
		return 0, 0, err
	}
	return back.at.Sub(flushed.at), time.Since(flushed.at), again.Close()
}

// fastFlow is a new flow that is proven on the fast path.
func fastFlow(ctx context.Context, r *testns.Router) (*testns.Flow, error) {
	flow, err := r.Dial(ctx, "tcp", testns.IPv4)
	if err != nil {
		return nil, err
	}
	if _, err := r.Reaches(ctx, flow, testns.SoftwarePath); err != nil {
		return nil, errors.Join(err, flow.Close())
	}
	return flow, nil
}
