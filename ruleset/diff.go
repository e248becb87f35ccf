package ruleset

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// ErrForeign is matched by the refusal to touch a table that does not bear our owner's mark.
var ErrForeign = errors.New("the table belongs to someone else")

// Diff plans the way from what a kernel holds to what was declared, by the least that does it; a nil have is an empty kernel.
// What is as declared is not touched: rules keep their handles and counters, flowtables their flows. A table that bears our mark
// and is no longer declared is deleted, and so is whatever else our tables hold that was not declared. The error matches
// ErrForeign if a declared table exists without our mark. A nil want is refused: nobody declared anything.
//
// The order is one that kernels take: rules go before what they refer to, a device leaves a flowtable before it joins another,
// and things are made before rules use them. Equal input gives equal plans.
func Diff(have *Loaded, want *Resolved) (*Plan, error) { return diff(have, want, false) }

// DiffAdopt is Diff, but takes over tables that bear no mark or another owner's: each is replaced as a whole, since kernels set
// marks only on tables that they create. A table that a program's socket holds (`flags owner`) cannot be taken over: ErrForeign.
func DiffAdopt(have *Loaded, want *Resolved) (*Plan, error) { return diff(have, want, true) }

func diff(have *Loaded, want *Resolved, adopt bool) (*Plan, error) {
	if want == nil {
		return nil, errors.New("nothing to plan for: what was declared is nil; look at the error of Resolve")
	}
	p := &Plan{want: want, bindings: want.Bindings(), adopt: adopt}
	if have != nil {
		p.generation, p.have, p.ground = have.generation, have, have
	}
	accelerated := have.withFlowtables()
	p.dropUndeclared(have, want, accelerated)
	var errs []error
	for i := range want.spec.Tables {
		t := &want.spec.Tables[i]
		old, ok := have.table(t.Family, t.Name)
		switch {
		case !ok:
			p.createTable(want, i, fmt.Sprintf("table %s %s does not exist", t.Family, t.Name))
		case old.Owner == want.spec.Owner:
			d := tableDiff{have: have, want: want, index: i, table: t, old: old, reader: bodyReader{order: nlmsg.Native()}}
			ops, err := d.operations()
			errs = append(errs, err)
			if d.replace != "" {
				p.deleteTable(old, d.replace, accelerated)
				p.createTable(want, i, "in place of the one before")
				continue
			}
			p.operations = append(p.operations, ops...)
		case adopt && old.Flags&tableOwned == 0:
			p.deleteTable(old, "it is adopted: only a new table can bear our mark", accelerated)
			p.createTable(want, i, "in place of the one before")
		default:
			errs = append(errs, foreign(old, want.spec.Owner))
		}
	}
	p.disruptive = slices.ContainsFunc(p.operations, func(op Operation) bool { return op.Disruptive })
	if off, is := have.Off(want.spec.Owner); is {
		p.warnings = append(p.warnings, off.warning(want.hasFlowtables()))
	}
	if w := have.unconfirmedWarning(want.spec.Owner); w != "" {
		p.warnings = append(p.warnings, w)
	}
	p.warnings = append(p.warnings, have.ignoredWarnings()...)
	p.others = sync.OnceValue(func() []Finding { return want.Conflicts(have) })
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return p, nil
}

func foreign(t LoadedTable, owner string) error {
	whose := "bears no owner's mark"
	if t.Owner != "" {
		whose = fmt.Sprintf("is %s", ownerComment(t.Owner))
	}
	if t.Flags&tableOwned != 0 {
		return fmt.Errorf("%w: table %s %s %s, this Spec's owner is %q, and %s; declare the table under another name, or end that program",
			ErrForeign, t.Family, t.Name, whose, owner, heldBySocket(t))
	}
	return fmt.Errorf("%w: table %s %s %s, and this Spec's owner is %q: declare the table under another name, adopt it, "+
		"or delete it first with `nft delete table %s %s`", ErrForeign, t.Family, t.Name, whose, owner, t.Family, t.Name)
}

// heldBySocket says of a table with nft's `flags owner` what can be done with it, and where it is seen: nft lists the flag and the name of the program with
// the table, and not among all tables.
func heldBySocket(t LoadedTable) string {
	return fmt.Sprintf("a program's socket holds it (`flags owner`): kernels let nobody else change, adopt or delete it (`nft list table %s %s` names the program, `nft list tables` does not)", t.Family, wordOf(t.Name))
}

// A tableKey names a table.
type tableKey struct {
	family Family
	name   string
}

// dropUndeclared deletes the tables that bear our mark and are not wanted any more.
func (p *Plan) dropUndeclared(have *Loaded, want *Resolved, accelerated map[tableKey]bool) {
	declared := map[tableKey]bool{}
	for i := range want.spec.Tables {
		declared[tableKey{want.spec.Tables[i].Family, want.spec.Tables[i].Name}] = true
	}
	for _, t := range have.owned(want.spec.Owner) {
		if !declared[tableKey{t.Family, t.Name}] {
			p.deleteTable(t, fmt.Sprintf("it is %s and no longer declared", ownerComment(t.Owner)), accelerated)
		}
	}
}

// deleteTable deletes a table; accelerated are those that hold flowtables.
func (p *Plan) deleteTable(t LoadedTable, reason string, accelerated map[tableKey]bool) {
	op := Operation{Verb: VerbDelete, Kind: KindTable, Family: t.Family, Table: t.Name, Reason: reason}
	if op.Disruptive = accelerated[tableKey{t.Family, t.Name}]; op.Disruptive {
		op.Reason += "; live flows of its flowtables leave the fast path"
	}
	p.operations = append(p.operations, op)
}

// createTable adds a table and all its parts in nft's order: chains, sets with their elements, flowtables, rules.
func (p *Plan) createTable(want *Resolved, i int, reason string) {
	t := &want.spec.Tables[i]
	p.operations = slices.Grow(p.operations, t.parts())
	add := func(verb Verb, kind Kind, name, reason string, object any) {
		p.operations = append(p.operations, Operation{Verb: verb, Kind: kind, Family: t.Family, Table: t.Name, Name: name, Reason: reason, object: object})
	}
	add(VerbCreate, KindTable, "", reason, &newTable{table: t, owner: want.spec.Owner})
	for c := range t.Chains {
		add(VerbAdd, KindChain, t.Chains[c].Name, "", &t.Chains[c])
	}
	for s := range t.Sets {
		add(VerbAdd, KindSet, t.Sets[s].Name, "", &t.Sets[s])
		if len(t.Sets[s].Elements) > 0 {
			add(VerbAdd, KindElement, t.Sets[s].Name, "", want.wholeSet(i, s))
		}
	}
	for f := range t.Flowtables {
		add(VerbAdd, KindFlowtable, t.Flowtables[f].Name, "", &boundFlowtable{spec: &t.Flowtables[f], devices: want.listed(i, f)})
	}
	for c := range t.Chains {
		for r := range t.Chains[c].Rules {
			add(VerbAdd, KindRule, t.Chains[c].Name, "", &t.Chains[c].Rules[r])
		}
	}
}

// parts is how many operations make the table, at most.
func (t *Table) parts() int {
	n := 1 + len(t.Chains) + 2*len(t.Sets) + len(t.Flowtables)
	for i := range t.Chains {
		n += len(t.Chains[i].Rules)
	}
	return n
}

// wholeSet are all elements of a set that is new.
func (r *Resolved) wholeSet(table, index int) *elements {
	return &elements{set: &r.spec.Tables[table].Sets[index], ranges: r.elements[table][index], first: true}
}
