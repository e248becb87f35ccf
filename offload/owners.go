package offload

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/go-fastpath/fastpath/internal/mark"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/runlock"
	"github.com/go-fastpath/fastpath/ruleset"
)

// An Owner is one who has something in the network namespace, as the kernel holds it. It belongs to
// who asked for it.
type Owner struct {
	// Name is "" of a Run that has no tables yet and whose lock does not tell its owner's name in
	// full.
	Name string `json:"name"`
	// Tables bear the owner's mark; the marks below are none of them.
	Tables []ruleset.LoadedTable `json:"tables,omitempty"`
	// Flowtables of those tables.
	Flowtables []ruleset.LoadedFlowtable `json:"flowtables,omitempty"`
	// Off is the mark of the kill switch, zero where it is not thrown.
	Off ruleset.Off `json:"off,omitzero"`
	// Unconfirmed is the mark of a change that waits to be confirmed, zero where none does.
	Unconfirmed ruleset.Unconfirmed `json:"unconfirmed,omitzero"`
	// Settings are those that SetSettings changed for this owner: its Uninstall puts them back.
	Settings []ruleset.ChangedSetting `json:"settings,omitempty"`
	// Run is the lock of a Run, zero where none is under way.
	Run RunLock `json:"run,omitzero"`
}

// A RunLock is what the lock of an owner's Run says. It is a plain value.
type RunLock struct {
	Table string `json:"table"` // of the family inet
	// Process is the one that the lock names, 0 if it names none. Nobody vouches for it.
	Process int    `json:"process,omitempty"`
	Since   string `json:"since,omitempty"` // as RFC 3339 writes it
}

// Owners are all who have something in this network namespace: tables, marks, changed settings, or
// a Run; sorted by name. It needs no Spec and changes nothing. Who is about to switch an owner's
// fast path off, confirm its change or uninstall it finds here whether that owner is one: Off, On
// and Uninstall of any other name are no error.
//
// Errors match fs.ErrPermission without CAP_NET_ADMIN, errors.ErrUnsupported without nf_tables.
func (m *Manager) Owners(ctx context.Context) ([]Owner, error) {
	for attempt := range maxTorn {
		var locks []runlock.Shown
		have, err := ruleset.Load("", noting(m.tables(ctx), &locks))
		if err != nil {
			return nil, fmt.Errorf("offload: owners: %w", err)
		}
		if !have.Torn() {
			return ownersOf(have, locks), nil
		}
		if err := pause(ctx, time.Duration(attempt+1)*10*time.Millisecond); err != nil {
			return nil, fmt.Errorf("offload: owners: %w", err)
		}
	}
	return nil, fmt.Errorf("offload: owners: the kernel's tables changed %d times while they were read; "+
		"try again when those who change them are done", maxTorn)
}

// tables yields the generation, the tables and the flowtables, from as little as the Kernel can
// read.
func (m *Manager) tables(ctx context.Context) iter.Seq2[ruleset.Message, error] {
	if k, ok := m.kernel.(Tabled); ok {
		return k.Tables(ctx)
	}
	wanted := []uint16{
		nlmsg.NFTablesType(nlmsg.NFTMsgNewGen), nlmsg.NFTablesType(nlmsg.NFTMsgNewTable),
		nlmsg.NFTablesType(nlmsg.NFTMsgNewFlowtable),
	}
	return func(yield func(ruleset.Message, error) bool) {
		for msg, err := range m.kernel.Dump(ctx) {
			if err == nil && !slices.Contains(wanted, msg.Type) {
				continue
			}
			if !yield(msg, err) {
				return
			}
		}
	}
}

// noting hands messages on, and notes the locks among them, which Loaded leaves out.
func noting(messages iter.Seq2[ruleset.Message, error], locks *[]runlock.Shown) iter.Seq2[ruleset.Message, error] {
	return func(yield func(ruleset.Message, error) bool) {
		for msg, err := range messages {
			if err == nil && msg.Type == nlmsg.NFTablesType(nlmsg.NFTMsgNewTable) {
				if lock, is := runlock.Show(msg.Data); is {
					*locks = append(*locks, lock)
				}
			}
			if !yield(msg, err) {
				return
			}
		}
	}
}

// ownersOf gathers what there is by owner.
func ownersOf(have *ruleset.Loaded, locks []runlock.Shown) []Owner {
	g := gathered{byName: map[string]*Owner{}}
	byTable := map[part]*Owner{}
	for _, t := range have.Tables() {
		if t.Owner != "" && mark.OfTable(t.Name) == nil {
			o := g.owner(t.Owner)
			o.Tables = append(o.Tables, t)
			byTable[part{family: t.Family, table: t.Name}] = o
		}
	}
	for _, f := range have.Flowtables() {
		if o := byTable[part{family: f.Family, table: f.Table}]; o != nil {
			o.Flowtables = append(o.Flowtables, f)
		}
	}
	for _, name := range have.MarkedOwners() {
		o := g.owner(name)
		if off, is := have.Off(name); is {
			o.Off = off
		}
		if waits, is := have.Unconfirmed(name); is {
			o.Unconfirmed = waits
		}
		o.Settings = have.ChangedSettings(name)
	}
	for _, lock := range locks {
		g.lock(lock)
	}
	list := make([]Owner, len(g.all))
	for i, o := range g.all {
		list[i] = *o
	}
	slices.SortFunc(list, func(a, b Owner) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Run.Table, b.Run.Table))
	})
	return list
}

// A gathered is the owners that were found so far.
type gathered struct {
	all    []*Owner
	byName map[string]*Owner
}

// owner is the one of a name.
func (g *gathered) owner(name string) *Owner {
	o := g.byName[name]
	if o == nil {
		o = &Owner{Name: name}
		g.byName[name] = o
		g.all = append(g.all, o)
	}
	return o
}

// lock gives a lock to its owner: the one whose name leads to the name of its table.
func (g *gathered) lock(lock runlock.Shown) {
	run := RunLock{Table: lock.Table, Process: lock.Process}
	if mark.CheckTime(lock.Since) == nil {
		run.Since = lock.Since
	}
	for _, o := range g.all {
		if lock.IsOf(o.Name) {
			o.Run = run
			return
		}
	}
	if lock.Owner == "" {
		g.all = append(g.all, &Owner{Run: run})
		return
	}
	g.owner(lock.Owner).Run = run
}
