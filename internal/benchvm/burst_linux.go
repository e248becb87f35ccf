package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-fastpath/fastpath/internal/kernel"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
)

// many is how many devices appear at once.
const many = 200

// burst makes many devices in one call, and counts the commits that bind them.
func (b *bench) burst(ctx context.Context) (goals []goal, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ns, err := testns.New("burst")
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
	start := time.Now()
	if err := ns.IP(ctx, dummies(many)...); err != nil {
		return nil, err
	}
	made := time.Since(start)
	if _, err := s.await(ctx, func(st *offload.Status) bool { return bound(st) == many && st.Phase == offload.PhaseSteady }); err != nil {
		return nil, err
	}
	all := time.Since(start)
	if listed, err := ns.Ruleset(ctx); err != nil || strings.Count(listed, "burst") != many {
		return nil, errors.Join(err, fmt.Errorf("nft lists %d of %d devices", strings.Count(listed, "burst"), many))
	}
	commits := 0
	for len(news) > 0 {
		if h := <-news; h.Kind == kernel.EventRuleset {
			commits++
		}
	}
	fmt.Fprintf(b.out, "%d devices at once: made in %v, bound after %v, by %d commits\n", many, made.Round(time.Millisecond), all.Round(time.Millisecond), commits)
	return []goal{{"batches-for-200-devices-at-once", float64(commits), 5}}, nil
}

// dummies are the commands that make n devices of the group.
func dummies(n int) []string {
	var commands []string
	for i := range n {
		commands = append(commands, fmt.Sprintf("link add burst%d group %d type dummy", i, group))
	}
	return commands
}
