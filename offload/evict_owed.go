package offload

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/go-fastpath/fastpath/ruleset"
	"github.com/go-fastpath/fastpath/ruleset/judge"
)

// debts are changes that are in force, or may be, while flows that they forbid were not evicted: of each owner the rules before each. What a
// later change forbids may have been forbidden before the first already and free in between, so the first alone would not do. A later Apply, also
// of an empty plan, makes up for all of them.
type debts struct {
	mu     sync.Mutex
	before map[string][]*ruleset.Loaded
}

// maxDebts bounds how many rulesets are kept for an owner; of more, the oldest goes.
const maxDebts = 32

func (d *debts) add(owner string, before *ruleset.Loaded) {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := d.before[owner]
	known := func(l *ruleset.Loaded) bool { return l == before }
	if before == nil || len(before.Flowtables()) == 0 || slices.ContainsFunc(list, known) {
		return
	}
	if d.before == nil {
		d.before = map[string][]*ruleset.Loaded{}
	}
	list = append(list, before)
	d.before[owner] = list[max(0, len(list)-maxDebts):]
}

// of is what the kernel held before each change of an owner that was not made up for.
func (d *debts) of(owner string) []*ruleset.Loaded {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.before[owner])
}

func (d *debts) pay(owner string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.before, owner)
}

// evictOwed removes the flows that the rules forbid now and did not before one of the changes that owe it.
func (m *Manager) evictOwed(ctx context.Context, owner string) error {
	for _, before := range m.debts.of(owner) {
		if err := m.evictForbidden(ctx, func() ([]Victim, error) { return m.victimsSince(ctx, owner, before) }); err != nil {
			return err
		}
	}
	m.debts.pay(owner)
	return nil
}

// victimsSince are the flows that the rules of now forbid or exclude, and those of before did not.
func (m *Manager) victimsSince(ctx context.Context, owner string, before *ruleset.Loaded) ([]Victim, error) {
	if len(before.Flowtables()) == 0 {
		return nil, nil
	}
	now, err := m.load(ctx, owner)
	if err != nil {
		return nil, err
	}
	return m.concerned(ctx, func() (*judge.Change, error) { return changeBetween(before, now, owner) })
}

// changeBetween is what is different between two rulesets of an owner, as flows meet it.
func changeBetween(before, after *ruleset.Loaded, owner string) (*judge.Change, error) {
	ours := map[part]bool{}
	for _, t := range append(before.Tables(), after.Tables()...) {
		if t.Owner == owner { // one that was adopted counts as it was before, too
			ours[part{t.Family, t.Name, ""}] = true
		}
	}
	is := func(t ruleset.LoadedTable) bool { return ours[part{t.Family, t.Name, ""}] }
	old, err := judge.Of(before, is)
	if err != nil {
		return nil, fmt.Errorf("read the rules before: %w", err)
	}
	fresh, err := judge.Of(after, is)
	if err != nil {
		return nil, fmt.Errorf("read the rules after: %w", err)
	}
	stands := map[uint64]bool{} // by handle: one that was deleted and made anew lost its flows
	for _, f := range after.Flowtables() {
		stands[f.Handle] = true
	}
	gone := map[part]bool{}
	for _, f := range before.Flowtables() {
		if !stands[f.Handle] {
			gone[part{f.Family, f.Table, f.Name}] = true
		}
	}
	return judge.NewChange(old, fresh, func(family byte, table, flowtable string) bool {
		return gone[part{judge.FamilyName(family), table, flowtable}]
	}), nil
}
