package ruleset

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/go-fastpath/fastpath/internal/mark"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// An Off is the mark that the fast path of an owner's tables is switched off. The kernel holds it as an empty table fastpath_off_* that comes
// with the draining of the flowtables, in one transaction, and goes when the fast path is switched on. `nft list ruleset` shows it, and it
// goes with the namespace. While it stands, Spec.WithoutFlowtables is what should be planned. It is a plain value.
type Off struct {
	Owner string `json:"owner"` // of the tables
	Since string `json:"since"` // when it was switched off, as RFC 3339 writes it
	// Restored says that the mark was not made here, but comes from a ruleset that was saved while it stood, and restored: by a reboot, or by
	// `nft -f`. It stands like any other, until the fast path is switched on.
	Restored bool `json:"restored,omitempty"`
}

// Off tells whether the fast path of an owner's tables ("" is DefaultOwner) is switched off.
func (l *Loaded) Off(owner string) (Off, bool) {
	for _, m := range l.marksOf(mark.Off, owner) {
		return Off{m.Owner, m.Values[0], m.Restored}, true
	}
	return Off{Owner: cmp.Or(owner, DefaultOwner)}, false
}

// String says whose fast path is off, since when, and what ends it.
func (x Off) String() string {
	text := fmt.Sprintf("the fast path of %q is switched off since %s", x.Owner, x.Since)
	if x.Restored {
		text += " by a mark that was saved with a ruleset and restored, after a reboot or by hand: switch it on if that is over"
	}
	return text
}

// warning is what to know of a plan that is made while the mark stands.
func (x Off) warning(accelerated bool) string {
	if accelerated {
		return x.String() + ", and this plan brings flowtables: plan Spec.WithoutFlowtables, or switch it on first"
	}
	return x.String() + ": flowtables are left out until it is switched on"
}

// SwitchOff plans how the fast path of an owner's tables ("" is DefaultOwner) is drained, from nothing but what a kernel holds: rules with
// `flow add` are cut there, those of which only matches are left are deleted, flowtables are deleted, and the mark is made, which
// says since when (in RFC 3339). Everything else stays as it is, with its handle. The kernel takes the flows out of flowtables that are deleted, and
// their connections go on on the classic path. The plan is empty if all of that is so already; the mark keeps the time of the first.
func SwitchOff(have *Loaded, owner, since string) (*Plan, error) {
	x := Off{Owner: cmp.Or(owner, DefaultOwner), Since: since}
	if err := checkOwner(x.Owner); err != nil {
		return nil, err
	}
	if _, err := mark.Off.Text(x.Owner, since); err != nil {
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
	forgetOn(p, have, x.Owner)
	if _, is := have.Off(x.Owner); !is {
		p.mark(have, "it marks the fast path as switched off", mark.Off, x.Owner, since)
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
	for _, m := range have.marksOf(mark.Off, owner) {
		p.unmark(m.Table, "the fast path is switched on")
	}
	forgetOn(p, have, owner)
	return p, nil
}

// SwitchOnTelling is SwitchOn with a sign for whoever looks after the owner's tables, an empty table fastpath_on_*, which says when (in RFC 3339):
// else a mark that was taken away together with the tables looks like one that a flush took. It is for ForgetOn.
func SwitchOnTelling(have *Loaded, owner, since string) (*Plan, error) {
	owner = cmp.Or(owner, DefaultOwner)
	p, err := SwitchOn(have, owner)
	if err != nil {
		return nil, err
	}
	p.again = func(now *Loaded) (*Plan, error) { return SwitchOnTelling(now, owner, since) }
	if _, is := have.Off(owner); is {
		p.mark(have, "it tells a Run that this is on purpose", mark.On, owner, since)
	}
	return p, nil
}

// ToldOn reports whether the sign of SwitchOnTelling stands.
func (l *Loaded) ToldOn(owner string) bool {
	return slices.ContainsFunc(l.marksOf(mark.On, owner), func(m mark.Mark) bool { return !m.Restored })
}

// ForgetOn plans the end of the sign of SwitchOnTelling.
func ForgetOn(have *Loaded, owner string) (*Plan, error) {
	owner = cmp.Or(owner, DefaultOwner)
	p := emptyPlan(owner, have)
	p.again = func(now *Loaded) (*Plan, error) { return ForgetOn(now, owner) }
	forgetOn(p, have, owner)
	return p, nil
}

// forgetOn adds that.
func forgetOn(p *Plan, have *Loaded, owner string) {
	for _, m := range have.marksOf(mark.On, owner) {
		p.unmark(m.Table, "it was understood that the fast path is on")
	}
}
