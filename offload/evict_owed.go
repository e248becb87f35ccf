package offload

import (
	"context"
	"fmt"
	"sync"

	"github.com/go-fastpath/fastpath/ruleset"
	"github.com/go-fastpath/fastpath/ruleset/judge"
)

// debts are changes that are in force, or may be, while flows that they forbid were not evicted: of each owner the rules before the first. A
// later change, also an empty one, makes up for all of them.
type debts struct {
	mu     sync.Mutex
	before map[string]*ruleset.Loaded
}

func (d *debts) add(owner string, before *ruleset.Loaded) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.before == nil {
		d.before = map[string]*ruleset.Loaded{}
	}
	if d.before[owner] == nil && before != nil {
		d.before[owner] = before
	}
}

// of is what the kernel held before the first change of an owner that was not made up for; nil if there is none.
func (d *debts) of(owner string) *ruleset.Loaded {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.before[owner]
}

func (d *debts) pay(owner string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.before, owner)
}

// evictOwed removes the flows that the rules forbid now and did not before the changes that owe it.
func (m *Manager) evictOwed(ctx context.Context, owner string) error {
	before := m.debts.of(owner)
	if before == nil {
		return nil
	}
	err := m.evictForbidden(ctx, func() ([]Victim, error) { return m.victimsSince(ctx, owner, before) })
	if err == nil {
		m.debts.pay(owner)
	}
	return err
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
