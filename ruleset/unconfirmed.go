package ruleset

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/go-fastpath/fastpath/internal/mark"
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

// Unconfirmed tells whether a change of an owner's tables ("" is DefaultOwner) waits for its confirmation.
func (l *Loaded) Unconfirmed(owner string) (Unconfirmed, bool) {
	for _, m := range l.marksOf(mark.Unconfirmed, owner) {
		return Unconfirmed{m.Owner, m.Values[0], m.Values[1]}, true
	}
	return Unconfirmed{Owner: cmp.Or(owner, DefaultOwner)}, false
}

// unconfirmedWarning is what to know of a change that waits, and that nobody takes back; "" is nothing.
func (l *Loaded) unconfirmedWarning(owner string) string {
	for _, m := range l.marksOf(mark.Unconfirmed, owner) {
		if m.Restored {
			return fmt.Sprintf("table %s %s says that a change of %q waits for its confirmation until %s: it comes from a ruleset that was saved "+
				"and restored, and nobody takes that change back; confirm it", Inet, m.Table, m.Owner, m.Values[1])
		}
	}
	return ""
}

// MarkUnconfirmed is the plan with the mark as its last operation. Rebased to a kernel that bears another mark of the owner it is an error.
// Its ID is one of crypto/rand.Text, and its time as RFC 3339 writes it; others are an error of the plan's Batch.
func (p *Plan) MarkUnconfirmed(u Unconfirmed) *Plan { return p.marked(p, u) }

func (p *Plan) marked(plain *Plan, u Unconfirmed) *Plan {
	c := *p
	c.operations = p.Operations()
	c.mark(p.have, "it marks the change as unconfirmed", mark.Unconfirmed, u.Owner, u.ID, u.Until)
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
	for _, m := range have.marksOf(mark.Unconfirmed, u.Owner) {
		p.unmark(m.Table, "the change is no longer unconfirmed")
	}
	return nil
}
