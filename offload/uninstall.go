package offload

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/mark"
	"github.com/go-fastpath/fastpath/ruleset"
)

// An Uninstalled tells what Uninstall did. Safe for concurrent reading.
type Uninstalled struct {
	// Plan that was applied; empty if the owner had no tables.
	Plan *ruleset.Plan
	// Generation of the ruleset afterwards.
	Generation uint32
	// Restored are the settings that our rules had changed, with the values that they have again.
	Restored []Setting
	// Left are the settings that our rules may have changed and that stay as they are.
	Left []LeftSetting
}

// A LeftSetting is a setting that Uninstall did not touch. It is a plain value.
type LeftSetting struct {
	Setting        // as it is
	Why     string // and what to do
}

// Uninstall removes every table of an owner ("" is ruleset.DefaultOwner), as one transaction, then the mark of Off if there is one, and puts
// back the one setting that rules change: one that tests ct packets or bytes has the kernel turn net.netfilter.nf_conntrack_acct on, for good.
//
// What SetSettings changed is put back too, unless someone else changed it since, or the mark that tells of it came with a ruleset that was saved
// and restored. Marks in the kernel are taken at their word only for the settings that SetSettings takes, whoever made them: all of them are the
// namespace's own. Tables that look like marks and are none stay, and Plan's warnings name them.
//
// What it was before is remembered by this Manager, and in the table if the plan that brought such a rule created one, for whichever
// process uninstalls it. Where nobody knows, and where others' rules count too, it stays as it is, and Left says so.
// Errors are those of Plan and Apply; one that matches ErrNotEvicted comes beside what was done.
func (m *Manager) Uninstall(ctx context.Context, owner string) (*Uninstalled, error) {
	owner = cmp.Or(owner, ruleset.DefaultOwner)
	before, err := m.load(ctx, owner)
	if err != nil {
		return nil, err
	}
	done, err := m.Reconcile(ctx, &ruleset.Spec{Owner: owner})
	if err != nil && !errors.Is(err, ErrNotEvicted) {
		return nil, err
	}
	u := &Uninstalled{Plan: done.Plan, Generation: done.Generation}
	return u, errors.Join(err, m.On(ctx, owner), m.restoreAccounting(ctx, u, before), m.restoreSettings(ctx, u, owner))
}

// restoreAccounting puts nf_conntrack_acct back if that is known and concerns nobody else.
func (m *Manager) restoreAccounting(ctx context.Context, u *Uninstalled, before *ruleset.Loaded) error {
	now := m.noteAccounting(ctx).before
	was := m.rememberedAccounting(before)
	if now == "" || now == was || was == "" && !counts(before, before.Owner()) {
		return nil
	}
	left := LeftSetting{Setting: Setting{accountingKey, now}}
	after, err := m.loadAll(ctx, before.Owner())
	if err != nil {
		return err
	}
	switch others := after.Counting(); {
	case len(others) > 0:
		left.Why = fmt.Sprintf("rules of table %s %s count connections' packets too", others[0].Family, flowtable.Spelled(others[0].Name))
	case was == "":
		left.Why = "the rules that were removed have it on, and nobody remembers what it was before; set it as you like"
	default:
		u.Restored, err = accounting{m: m, before: was}.restore(ctx)
		m.memory.rememberAccounting(before.Owner(), "")
		return err
	}
	u.Left = append(u.Left, left)
	return nil
}

// counts reports whether a table of an owner has rules that count.
func counts(l *ruleset.Loaded, owner string) bool {
	for _, t := range l.Counting() {
		if t.Owner == owner {
			return true
		}
	}
	return false
}

// rememberedAccounting is nf_conntrack_acct before our rules counted: as a table of ours remembers, or as this Manager saw it.
func (m *Manager) rememberedAccounting(have *ruleset.Loaded) string {
	for _, t := range have.Tables() {
		if was, ok := mark.ReadAccountingNote(t.Note); ok && t.Owner == have.Owner() {
			return was
		}
	}
	return m.memory.accountingBefore(have.Owner())
}

// rememberAccounting is the plan with what nf_conntrack_acct was before our rules counted in the tables that it creates, and that
// value; "" if they do not, or if nobody knows.
func (m *Manager) rememberAccounting(ctx context.Context, plan *ruleset.Plan) (_ *ruleset.Plan, was string) {
	have := m.memory.get()
	if have == nil || have.Owner() != plan.Owner() {
		return plan, ""
	}
	if was = m.rememberedAccounting(have); was == "" {
		was = m.watchAccounting(ctx, plan).before
		if was == "1" && counts(have, plan.Owner()) { // ours had it on already
			was = ""
		}
	}
	if was != "" {
		plan, _ = plan.Remember(mark.AccountingNote(was))
	}
	return plan, was
}
