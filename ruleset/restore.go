package ruleset

import (
	"errors"
	"fmt"
	"slices"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// ErrTablesChanged says that tables are not as they were left, so that nothing is put back over what others did.
var ErrTablesChanged = errors.New("someone else changed the tables meanwhile")

// A Restoration says how a Backup is put back. Its zero value puts back whatever differs. It is only read.
type Restoration struct {
	// Mark is lifted in the same transaction; the error matches ErrNotUnconfirmed if it is gone. nil is none.
	Mark *Unconfirmed
	// Fingerprint that the tables must have for anything to be done, of Backup.Fingerprint; else the error matches ErrTablesChanged. "" is any.
	Fingerprint string
	// Exists tells which devices are there: flowtables are made without the others, which kernels before 6.16 refuse. nil is all.
	Exists func(device string) bool
	// All makes even tables anew that are as they were, to try whether the kernel takes it.
	All bool
}

// Restore plans the way back to what the backup's tables held: chains, sets, elements and rules are made anew from the kernel's own
// messages, with the values that counters had then. A table that is as it was is not touched, nor is a flowtable: its flows stay on the fast
// path. Anything else is replaced, and a table that was not there is deleted. While the fast path is switched off (Off) flowtables and `flow
// add` do not come back with the rest.
func (b *Backup) Restore(have *Loaded, how Restoration) (*Plan, error) {
	if have != nil && how.Fingerprint != "" && b.Fingerprint(have) != how.Fingerprint {
		return nil, fmt.Errorf("%w: those of %q stay as they are", ErrTablesChanged, b.owner)
	}
	p := emptyPlan(b.owner, have)
	p.again = func(now *Loaded) (*Plan, error) { return b.Restore(now, how) }
	r := restorer{plan: p, backup: b, have: have, how: how, accelerated: have.withFlowtables()}
	_, r.off = have.Off(b.owner)
	for _, key := range b.tables {
		r.table(key)
	}
	p.disruptive = slices.ContainsFunc(p.operations, func(op Operation) bool { return op.Disruptive })
	if how.Mark != nil {
		if err := p.lift(have, *how.Mark); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// emptyPlan is a plan that comes from no Spec. It does not build on elements: sets stay as they are, or are made anew whatever is in them.
func emptyPlan(owner string, have *Loaded) *Plan {
	p := &Plan{want: &Resolved{spec: Spec{Owner: owner}, declared: Spec{Owner: owner}}}
	if have != nil {
		p.generation, p.ground = have.generation, have
		p.warnings = have.ignoredWarnings()
	}
	p.heedless = func(setKey) bool { return true }
	return p
}

// A restorer gathers the operations of Restore.
type restorer struct {
	plan        *Plan
	backup      *Backup
	have        *Loaded
	how         Restoration
	accelerated map[tableKey]bool
	off         bool // the fast path is switched off

	key tableKey // of the table at work
	raw rawTable
}

const asItWas = "as it was before"

func (r *restorer) table(key tableKey) {
	was, existed := r.backup.old.table(key.family, key.name)
	is, exists := r.have.table(key.family, key.name)
	if existed == exists && (!exists || !r.how.All && r.backup.unchanged(key, r.have)) {
		return
	}
	r.key = key
	if !existed {
		r.plan.deleteTable(is, "it was not there before", r.accelerated)
		return
	}
	r.raw = rawTableOf(r.backup.old, key)
	if r.off {
		r.raw.switchOff()
	}
	switch {
	case exists && was.Owner == is.Owner && was.Flags == is.Flags:
		r.build(r.clear())
		return
	case exists:
		r.plan.deleteTable(is, "it is another one than before", r.accelerated)
	}
	attrs := r.raw.attrs
	r.add(VerbCreate, KindTable, "", asItWas, copying(func(e *encoder, op *Operation) {
		e.begin(op, nlmsg.NFTMsgNewTable, nlmsg.FlagCreate|nlmsg.FlagExcl)
		e.copyAttrs(attrs, nlmsg.NFTATableUse, nlmsg.NFTATableHandle)
		e.end()
	}))
	r.build(nil)
}

// add appends an operation on the table at work.
func (r *restorer) add(verb Verb, kind Kind, name, reason string, object any) {
	r.plan.operations = append(r.plan.operations, Operation{
		Verb: verb, Kind: kind, Family: r.key.family, Table: r.key.name, Name: name, Reason: reason, object: object,
	})
}

// clear empties the table at work, and tells which flowtables stay.
func (r *restorer) clear() (stay map[string]bool) {
	const again = "what was there before comes back"
	parts := r.have.parts[r.key]
	if parts == nil {
		parts = &loadedParts{}
	}
	for _, i := range parts.chains {
		if name := r.have.chains[i].Name; len(parts.rules[name]) > 0 {
			r.add(VerbDelete, KindRule, name, again, nil)
		}
	}
	for _, i := range parts.sets {
		r.add(VerbDelete, KindSet, r.have.sets[i].Name, again, nil)
	}
	for _, i := range parts.chains {
		r.add(VerbDelete, KindChain, r.have.chains[i].Name, again, nil)
	}
	stay = map[string]bool{}
	for _, i := range parts.flowtables {
		is := &r.have.flowtables[i]
		if was, ok := r.raw.flowtable(is.Name); ok && sameFlowtableBut(was, *is, r.how.Exists) {
			stay[is.Name] = true
			continue
		}
		r.add(VerbDelete, KindFlowtable, is.Name, again+"; live flows leave the fast path", nil)
		r.plan.operations[len(r.plan.operations)-1].Disruptive = true
	}
	return stay
}

// sameFlowtableBut compares flowtables, without the devices that are gone.
func sameFlowtableBut(was, is LoadedFlowtable, exists func(string) bool) bool {
	if was.Handle != is.Handle || was.Hook != is.Hook || was.Priority != is.Priority || was.Flags != is.Flags {
		return false
	}
	a, _ := devicesOf(was, exists)
	b, _ := devicesOf(is, nil)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// devicesOf are the devices as they are sent, and those that are gone.
func devicesOf(f LoadedFlowtable, exists func(string) bool) (names, gone []string) {
	for _, d := range f.Devices {
		switch {
		case d.Prefix != "":
			names = append(names, d.Prefix+"*")
		case exists != nil && !exists(d.Name):
			gone = append(gone, d.Name)
		default:
			names = append(names, d.Name)
		}
	}
	return names, gone
}

// build makes what the table at work held: chains, sets and elements, flowtables, rules.
func (r *restorer) build(stay map[string]bool) {
	raw := r.raw
	for _, c := range raw.chains {
		r.add(VerbAdd, KindChain, c.name, asItWas, copying(func(e *encoder, op *Operation) {
			e.begin(op, nlmsg.NFTMsgNewChain, nlmsg.FlagCreate)
			e.copyAttrs(c.attrs, nlmsg.NFTAChainHandle, nlmsg.NFTAChainUse)
			e.end()
		}))
	}
	for _, s := range raw.sets {
		if isAnonymous(s.name) {
			continue
		}
		r.add(VerbAdd, KindSet, s.name, asItWas, copying(func(e *encoder, op *Operation) { e.copySet(op, &raw, s.name) }))
	}
	for _, f := range raw.flowtables {
		if stay[f.Name] {
			continue
		}
		names, gone := devicesOf(f, r.how.Exists)
		reason := asItWas
		if len(gone) > 0 {
			reason = fmt.Sprintf("%s, without %v, which are gone", asItWas, gone)
		}
		r.add(VerbAdd, KindFlowtable, f.Name, reason, &boundFlowtable{spec: specOf(f), devices: names})
	}
	for _, rule := range raw.rules {
		r.add(VerbAdd, KindRule, rule.name, asItWas, copying(func(e *encoder, op *Operation) { e.copyRule(op, &raw, rule.attrs) }))
	}
}

// specOf declares a flowtable that a kernel held.
func specOf(f LoadedFlowtable) *flowtable.Spec {
	s := &flowtable.Spec{Name: f.Name, Priority: flowtable.Priority(fmt.Sprint(f.Priority)), NoCounter: !f.Counter()}
	if f.Hardware() {
		s.Hardware = flowtable.HardwareOn
	}
	return s
}
