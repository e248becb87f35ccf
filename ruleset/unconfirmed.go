package ruleset

import (
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
)

// ErrNotUnconfirmed says that no change, or not this one, waits for its confirmation: it was confirmed, or taken back.
var ErrNotUnconfirmed = errors.New("no such change waits for a confirmation")

// An Unconfirmed is the mark of a change that is taken back unless someone confirms it. The kernel holds it as an empty table that
// comes with the change, in one transaction, and goes when the change is confirmed or taken back: whoever deletes it first
// decides. `nft list ruleset` shows it. It is a plain value.
type Unconfirmed struct {
	Owner string `json:"owner"` // of the tables that changed
	ID    string `json:"id"`    // which change it is
	Until string `json:"until"` // when it is taken back, as RFC 3339 writes it
}

// unconfirmedPrefix begins the name of the table; a hash of the owner follows, so that every owner has one.
const unconfirmedPrefix = "fastpath_unconfirmed_"

func (u Unconfirmed) table() string {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(u.Owner))
	return fmt.Sprintf("%s%08x", unconfirmedPrefix, sum.Sum32())
}

// The words of the mark.
const (
	unconfirmedID    = ", unconfirmed "
	unconfirmedUntil = ", taken back at "
)

// mark is the owner of the table that is the mark: nobody's Spec has it.
func (u Unconfirmed) mark() string {
	return u.Owner + unconfirmedID + u.ID + unconfirmedUntil + u.Until
}

// Unconfirmed tells whether a change of an owner's tables waits for its confirmation.
func (l *Loaded) Unconfirmed(owner string) (Unconfirmed, bool) {
	if owner == "" {
		owner = DefaultOwner
	}
	u := Unconfirmed{Owner: owner}
	t, ok := l.table(Inet, u.table())
	if !ok {
		return u, false
	}
	rest, ok := strings.CutPrefix(t.Owner, owner+unconfirmedID)
	if !ok {
		return u, false
	}
	u.ID, u.Until, ok = strings.Cut(rest, unconfirmedUntil)
	return u, ok
}

// MarkUnconfirmed is the plan with the mark as its last operation. Rebased to a kernel that bears another mark of the owner it is an error.
func (p *Plan) MarkUnconfirmed(u Unconfirmed) *Plan { return p.marked(p, u) }

func (p *Plan) marked(plain *Plan, u Unconfirmed) *Plan {
	c := *p
	c.operations = append(p.Operations(), Operation{
		Verb: VerbCreate, Kind: KindTable, Family: Inet, Table: u.table(),
		Reason: "it marks the change as unconfirmed", object: &newTable{owner: u.mark()},
	})
	c.again = func(have *Loaded) (*Plan, error) {
		fresh, err := plain.Rebase(have)
		if err != nil {
			return nil, err
		}
		switch is, waits := have.Unconfirmed(u.Owner); {
		case !waits:
			return fresh.marked(plain, u), nil
		case is != u:
			return nil, is.waits()
		}
		return fresh, nil // it is marked already
	}
	return &c
}

// waits refuses a second change.
func (u Unconfirmed) waits() error {
	return fmt.Errorf("a change of the tables of %q waits for its confirmation and is taken back at %s: confirm it first, or wait", u.Owner, u.Until)
}

// Confirm plans the confirmation: the mark goes. The error matches ErrNotUnconfirmed if it is gone already.
func (u Unconfirmed) Confirm(have *Loaded) (*Plan, error) {
	p := emptyPlan(u.Owner, have)
	p.again = u.Confirm
	if err := p.lift(have, u); err != nil {
		return nil, err
	}
	return p, nil
}

// lift appends the deletion of the mark.
func (p *Plan) lift(have *Loaded, u Unconfirmed) error {
	if have == nil { // there is nothing to lift
		return nil
	}
	if is, waits := have.Unconfirmed(u.Owner); !waits || is != u {
		return fmt.Errorf("%w: %s of %q; it was confirmed or taken back", ErrNotUnconfirmed, u.ID, u.Owner)
	}
	p.operations = append(p.operations, Operation{
		Verb: VerbDelete, Kind: KindTable, Family: Inet, Table: u.table(), Reason: "the change is no longer unconfirmed",
	})
	return nil
}
