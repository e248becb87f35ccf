package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/goal"
	"github.com/go-fastpath/fastpath/internal/kernel"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// many is how many devices appear at once.
const many = 200

// burst lets many devices appear and counts the commits that bind them: made by one call of ip, which takes a while, and then made ports of
// a bridge by one message.
func (b *bench) burst(ctx context.Context) ([]goal.Goal, error) {
	made, err := b.appear(ctx, "made by one call of ip", declared(), nil, dummies(many, group))
	if err != nil {
		return nil, err
	}
	const other = group + 1
	before := append(dummies(many, other), "link add br0 type bridge")
	ports, err := b.appear(ctx, "made ports of a bridge by one message", declared(flowtable.Selector{PortsOf: "br0"}), before,
		[]string{fmt.Sprintf("link set group %d master br0", other)})
	return []goal.Goal{goal.Of("batches-for-200-devices-made-by-one-call", float64(made), 5), goal.Of("batches-for-200-ports-at-once", float64(ports), 5)}, err
}

// appear counts the commits that bind many devices.
func (b *bench) appear(ctx context.Context, how string, spec *ruleset.Spec, before, then []string) (commits int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ns, err := testns.New("burst")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, ns.Close()) }()
	if before != nil {
		if err := ns.IP(ctx, before...); err != nil {
			return 0, err
		}
	}
	s, err := begin(ctx, ns, spec)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	news, err := listen(ctx, ns)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	if err := ns.IP(ctx, then...); err != nil {
		return 0, err
	}
	took := time.Since(start)
	last, err := s.await(ctx, func(st *offload.Status) bool { return bound(st) == many && st.Phase == offload.PhaseSteady })
	if err != nil {
		return 0, err
	}
	all := time.Since(start)
	if listed, err := ns.Ruleset(ctx); err != nil || strings.Count(listed, "burst") != many {
		return 0, errors.Join(err, fmt.Errorf("nft lists %d of %d devices", strings.Count(listed, "burst"), many))
	}
	_, err = until(ctx, news, func(h heard) bool {
		if h.Kind == kernel.EventRuleset {
			commits++
		}
		return h.Generation == last.Generation
	})
	if err != nil {
		return 0, err
	}
	fmt.Fprintf(b.out, "%d devices %s: that took %v, bound after %v, by %d commits\n", many, how, took.Round(time.Millisecond), all.Round(time.Millisecond), commits)
	return commits, nil
}

// dummies are the commands that make n devices of a group.
func dummies(n, group int) []string {
	var commands []string
	for i := range n {
		commands = append(commands, fmt.Sprintf("link add burst%d group %d type dummy", i, group))
	}
	return commands
}
