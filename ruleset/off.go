package ruleset

import (
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// An Off is the mark that the fast path of an owner's tables is switched off. The kernel holds it as an empty table that comes with the
// draining of the flowtables, in one transaction, and goes when the fast path is switched on. `nft list ruleset` shows it, and it
// goes with the namespace. While it stands, Spec.WithoutFlowtables is what should be planned. It is a plain value.
type Off struct {
	Owner string `json:"owner"` // of the tables
	Since string `json:"since"` // when it was switched off, as RFC 3339 writes it
}

// offPrefix begins the name of the table; a hash of the owner follows, so that every owner has one.
const offPrefix = "fastpath_off_"

func (x Off) table() string {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(x.Owner))
	return fmt.Sprintf("%s%08x", offPrefix, sum.Sum32())
}

const offSince = ", off since "

// mark is the owner of the table that is the mark: nobody's Spec has it.
func (x Off) mark() string { return x.Owner + offSince + x.Since }

// Off tells whether the fast path of an owner's tables ("" is DefaultOwner) is switched off.
func (l *Loaded) Off(owner string) (Off, bool) {
	if owner == "" {
		owner = DefaultOwner
	}
	x := Off{Owner: owner}
	t, ok := l.table(Inet, x.table())
	if !ok {
		return x, false
	}
	x.Since, ok = strings.CutPrefix(t.Owner, owner+offSince)
	return x, ok
}

// warning is what to know of a plan that is made while the mark stands.
func (x Off) warning(accelerated bool) string {
	if accelerated {
		return fmt.Sprintf("the fast path of %q is switched off since %s, and this plan brings flowtables: plan Spec.WithoutFlowtables, or switch it on first", x.Owner, x.Since)
	}
	return fmt.Sprintf("the fast path of %q is switched off since %s: flowtables are left out until it is switched on", x.Owner, x.Since)
}

// SwitchOff plans how the fast path of an owner's tables ("" is DefaultOwner) is drained, from nothing but what a kernel holds: rules with
// `flow add` are cut there, those of which only matches are left are deleted, flowtables are deleted, and the mark is made, which
// says since when (in RFC 3339). Everything else stays as it is, with its handle. The kernel takes the flows out of flowtables that are deleted, and
// their connections go on on the classic path. The plan is empty if all of that is so already; the mark keeps the time of the first.
func SwitchOff(have *Loaded, owner, since string) (*Plan, error) {
	x := Off{Owner: owner, Since: since}
	if x.Owner == "" {
		x.Owner = DefaultOwner
	}
	if err := checkOwner(x.Owner); err != nil {
		return nil, err
	}
	p := emptyPlan(x.Owner, have)
	p.again = func(now *Loaded) (*Plan, error) { return SwitchOff(now, owner, since) }
	for _, t := range have.owned(x.Owner) {
		d := drain{plan: p, have: have, key: tableKey{t.Family, t.Name}, order: nlmsg.Native()}
		if err := d.table(); err != nil {
			return nil, err
		}
	}
	if _, is := have.Off(x.Owner); !is {
		p.operations = append(p.operations, Operation{
			Verb: VerbCreate, Kind: KindTable, Family: Inet, Table: x.table(),
			Reason: "it marks the fast path as switched off", object: &newTable{owner: x.mark()},
		})
	}
	return p, nil
}

// SwitchOn plans the end of the mark. The flowtables come back by the next plan of their Spec. It is empty if there is no mark.
func SwitchOn(have *Loaded, owner string) (*Plan, error) {
	if owner == "" {
		owner = DefaultOwner
	}
	p := emptyPlan(owner, have)
	p.again = func(now *Loaded) (*Plan, error) { return SwitchOn(now, owner) }
	if x, is := have.Off(owner); is {
		p.operations = append(p.operations, Operation{
			Verb: VerbDelete, Kind: KindTable, Family: Inet, Table: x.table(), Reason: "the fast path is switched on",
		})
	}
	return p, nil
}
