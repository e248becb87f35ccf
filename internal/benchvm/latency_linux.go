package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-fastpath/fastpath/internal/goal"
	"github.com/go-fastpath/fastpath/internal/kernel"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
)

// latency lets devices appear one by one, over a second apart, and measures from the announcement of each to the announcement of the commit that binds it;
// before that, calls of nft that do nothing but add a device to a flowtable.
func (b *bench) latency(ctx context.Context) (goals []goal.Goal, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	bare, err := b.bareCalls(ctx)
	if err != nil {
		return nil, err
	}
	ns, err := testns.New("latency")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, ns.Close()) }()
	s, err := begin(ctx, ns, declared())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	news, err := listen(ctx, ns)
	if err != nil {
		return nil, err
	}
	var ours []time.Duration
	for i := range b.rounds {
		time.Sleep(time.Second) // a Run gathers what comes within a second after its last commit
		drain(news)
		name := fmt.Sprintf("d%d", i)
		if err := ns.IP(ctx, fmt.Sprintf("link add %s group %d type dummy", name, group)); err != nil {
			return nil, err
		}
		appeared, err := until(ctx, news, func(h heard) bool { return h.Kind == kernel.EventLinks && h.Device == name })
		if err != nil {
			return nil, err
		}
		committed, err := until(ctx, news, func(h heard) bool { return h.Kind == kernel.EventRuleset })
		if err != nil {
			return nil, err
		}
		ours = append(ours, committed.at.Sub(appeared.at))
		if _, err := s.await(ctx, func(st *offload.Status) bool { return bound(st) == i+1 && st.Phase == offload.PhaseSteady }); err != nil {
			return nil, err
		}
	}
	typical := quantile(bare, 50)
	for _, series := range []struct {
		name string
		d    []time.Duration
	}{{"nft add flowtable", bare}, {"link event to bound", ours}} {
		fmt.Fprintf(b.out, "%-20s %d times: median %v, 99th percentile %v, most %v\n", series.name, len(series.d),
			quantile(series.d, 50).Round(time.Microsecond), quantile(series.d, 99).Round(time.Microsecond), slices.Max(series.d).Round(time.Microsecond))
	}
	return []goal.Goal{
		goal.Of("link-event-to-bound-median-vs-nft", float64(quantile(ours, 50))/float64(typical), 2),
		goal.Of("link-event-to-bound-p99-vs-nft", float64(quantile(ours, 99))/float64(typical), 10),
	}, nil
}

// bareCalls times `nft add flowtable` with one more device each.
func (b *bench) bareCalls(ctx context.Context) (calls []time.Duration, err error) {
	ns, err := testns.New("bare")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, ns.Close()) }()
	if err := ns.NFT(ctx, "table inet bare { flowtable fast { hook ingress priority 0; counter; }; }"); err != nil {
		return nil, err
	}
	for i := range b.rounds {
		if err := ns.IP(ctx, fmt.Sprintf("link add d%d type dummy", i)); err != nil {
			return nil, err
		}
		start := time.Now()
		if _, err := ns.Run(ctx, "", "nft", fmt.Sprintf("add flowtable inet bare fast { devices = { d%d }; counter; }", i)); err != nil {
			return nil, err
		}
		calls = append(calls, time.Since(start))
	}
	return calls, nil
}

// quantile is the least value that a share of all, in percent, do not exceed.
func quantile(all []time.Duration, percent int) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[max(0, (len(sorted)*percent+99)/100-1)]
}
