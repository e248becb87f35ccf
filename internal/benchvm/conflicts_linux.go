package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-fastpath/fastpath/internal/goal"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

const (
	foreignRules = 10_000
	conflictRuns = 7
)

// conflicts measures a change of one rule beside many rules of others: by a Manager that refuses conflicts, and so reads the rules of others before each
// commit, by one that tells them while it plans, and beside both what `nft list ruleset` takes to read as much.
func (b *bench) conflicts(ctx context.Context) (goals []goal.Goal, err error) {
	ns, err := testns.New("conflicts")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, ns.Close()) }()
	if err := ns.IP(ctx, fmt.Sprintf("link add d0 group %d type dummy", group)); err != nil {
		return nil, err
	}
	if err := ns.NFT(ctx, foreignTable()); err != nil {
		return nil, err
	}
	plain, err := offload.Open(ctx, &offload.Config{NetNS: ns.Path(), Conflicts: offload.ConflictsIgnore})
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	strict, err := offload.Open(ctx, &offload.Config{NetNS: ns.Path(), Conflicts: offload.ConflictsRefuse})
	if err != nil {
		return nil, err
	}
	defer strict.Close()
	port := uint16(0)
	change := func(m *offload.Manager) func() error {
		return func() error { port++; return applyPort(ctx, m, port) }
	}
	calls := []*timedCall{
		{name: "change, conflicts ignored", call: change(plain)},
		{name: "change, conflicts refused", call: change(strict)},
		{name: "nft list ruleset", call: func() error { _, err := ns.Run(ctx, "", "nft", "list", "ruleset"); return err }},
	}
	if err := inTurn(conflictRuns, calls); err != nil {
		return nil, err
	}
	fmt.Fprintf(b.out, "beside %d rules of others, %d times in turn:\n", foreignRules, conflictRuns)
	for _, c := range calls {
		fmt.Fprintf(b.out, "  %-26s median %v, most %v\n", c.name, quantile(c.took, 50).Round(time.Millisecond), quantile(c.took, 100).Round(time.Millisecond))
	}
	return []goal.Goal{goal.Of("refuse-conflicts-change-vs-nft-list", float64(quantile(calls[1].took, 50))/float64(quantile(calls[2].took, 50)), 1)}, nil
}

// A timedCall is one of several that are measured in turn.
type timedCall struct {
	name string
	call func() error
	took []time.Duration
}

// inTurn makes the calls in turn, A B C A B C; the first round is not counted.
func inTurn(rounds int, calls []*timedCall) error {
	for round := range rounds + 1 {
		for _, c := range calls {
			began := time.Now()
			if err := c.call(); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			if round > 0 {
				c.took = append(c.took, time.Since(began))
			}
		}
	}
	return nil
}

// applyPort applies a ruleset in which one rule matches that port.
func applyPort(ctx context.Context, m *offload.Manager, port uint16) error {
	spec := declared()
	chain := &spec.Tables[0].Chains[0]
	chain.Rules = append(chain.Rules, ruleset.R(ruleset.TCPDport.Is(port), ruleset.Counter()))
	plan, err := m.Plan(ctx, spec)
	if err != nil {
		return err
	}
	_, err = m.Apply(ctx, plan)
	return err
}

// foreignTable is what others have.
func foreignTable() string {
	var b strings.Builder
	b.WriteString("table ip foreign {\nchain c {\n")
	for i := range foreignRules {
		fmt.Fprintf(&b, "ip saddr 10.%d.%d.%d tcp dport %d counter accept\n", i>>16, i>>8&255, i&255, 1+i)
	}
	b.WriteString("}\n}\n")
	return b.String()
}
