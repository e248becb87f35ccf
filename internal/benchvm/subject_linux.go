package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/kernel"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// group is the link group whose devices are picked. A relation is never left to the kernel, as names and prefixes are since Linux 6.16.
const group = 77

// declared is a flowtable over the devices of the group, and more.
func declared(more ...flowtable.Selector) *ruleset.Spec {
	return &ruleset.Spec{Tables: []ruleset.Table{{
		Name:       "accel",
		Flowtables: []flowtable.Spec{{Name: "fast", Devices: append([]flowtable.Selector{{Group: group}}, more...)}},
		Chains: []ruleset.Chain{{Name: "accelerate", Hook: ruleset.Forward, Rules: []ruleset.Rule{
			ruleset.R(ruleset.L4Proto.Is(ruleset.TCP, ruleset.UDP), ruleset.FlowAdd("fast")),
		}}},
	}}}
}

// A subject is a Manager at work in a namespace, and what the kernel announces there.
type subject struct {
	ns      *testns.Namespace
	manager *offload.Manager
	stop    func() error
}

// heard is an announcement, and when it came.
type heard struct {
	kernel.Event
	at time.Time
}

// begin runs a Manager in a namespace, without a limit for its commits, and returns when it is steady.
func begin(ctx context.Context, ns *testns.Namespace, spec *ruleset.Spec) (*subject, error) {
	m, err := offload.Open(ctx, &offload.Config{NetNS: ns.Path(), Run: offload.RunConfig{MaxChanges: -1, Resync: -1}})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx, spec) }()
	s := &subject{ns: ns, manager: m, stop: func() error {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			return errors.Join(err, m.Close())
		}
		return m.Close()
	}}
	if _, err = s.await(ctx, func(st *offload.Status) bool { return st.Phase == offload.PhaseSteady }); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// await waits for a Status.
func (s *subject) await(ctx context.Context, ok func(*offload.Status) bool) (*offload.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var last *offload.Status
	for st := range s.manager.Statuses(ctx) {
		if last = st; ok(st) {
			return st, nil
		}
	}
	return nil, fmt.Errorf("the Manager does not come to it: %v", last)
}

// bound is the number of devices that flowtables list.
func bound(st *offload.Status) int {
	n := 0
	for _, d := range st.Devices {
		if d.State == flowtable.Bound {
			n++
		}
	}
	return n
}

// listen passes on what the kernel announces in a namespace, until ctx ends.
func listen(ctx context.Context, ns *testns.Namespace) (<-chan heard, error) {
	k, err := kernel.Open(ns.Path())
	if err != nil {
		return nil, err
	}
	news, stands := make(chan heard, 1<<14), make(chan error, 1)
	go func() {
		defer k.Close()
		defer close(news)
		begun := false
		for e, err := range k.Events(ctx, false) {
			switch {
			case err != nil && !begun:
				stands <- err
				return
			case err != nil, e.Kind == kernel.EventLost && begun: // the measurement is lost
				return
			case e.Kind == kernel.EventLost:
				begun = true
				stands <- nil
			default:
				news <- heard{e, time.Now()}
			}
		}
	}()
	return news, <-stands
}

// until waits for an announcement.
func until(ctx context.Context, news <-chan heard, ok func(heard) bool) (heard, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		select {
		case h, open := <-news:
			if !open {
				return h, errors.New("the announcements ended")
			}
			if ok(h) {
				return h, nil
			}
		case <-ctx.Done():
			return heard{}, fmt.Errorf("nothing is announced: %w", ctx.Err())
		}
	}
}

// drain throws away what was announced.
func drain(news <-chan heard) {
	for {
		select {
		case <-news:
		default:
			return
		}
	}
}
