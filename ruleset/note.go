package ruleset

import (
	"errors"
	"slices"

	"github.com/go-fastpath/fastpath/internal/mark"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// udataNote is the type of a note in a table's user data, beside the comment. nft's types are small, and it passes over others.
const udataNote = 0xf6

// checkNote takes the notes that Remember leaves.
func checkNote(note string) error {
	return errors.Join(checkLength("the note", note, 100), mark.CheckText("the note", note))
}

// Remember is the plan with a note of at most 100 bytes of printable text in the tables that it creates, so that it outlives the process. It is false
// if the plan creates none: kernels take user data of new tables alone. LoadedTable.Note reads it.
func (p *Plan) Remember(note string) (*Plan, bool) {
	creates := func(op Operation) bool {
		t, ok := op.object.(*newTable)
		return ok && t.table != nil // a mark is no table of a Spec
	}
	if checkNote(note) != nil || !slices.ContainsFunc(p.operations, creates) {
		return p, false
	}
	c := *p
	c.operations = p.Operations()
	for i := range c.operations {
		if op := &c.operations[i]; creates(*op) {
			t := *op.object.(*newTable)
			t.note = note
			op.object = &t
		}
	}
	c.again = func(have *Loaded) (*Plan, error) {
		fresh, err := p.Rebase(have)
		if err != nil {
			return nil, err
		}
		fresh, _ = fresh.Remember(note)
		return fresh, nil
	}
	return &c, true
}

// Counting are the tables, anyone's, with rules that made the kernel count packets and bytes of connections
// (net.netfilter.nf_conntrack_acct): those that test `ct packets`, `ct bytes` or `ct avgpkt` (net/netfilter/nft_ct.c).
func (l *Loaded) Counting() []LoadedTable {
	o := nlmsg.Native()
	counting := map[tableKey]bool{}
	for i := range l.rules {
		r := &l.rules[i]
		_ = nlmsg.EachAttr(o, r.Expressions, func(elem nlmsg.Attr) error {
			name, data, err := nlmsg.Expression(o, elem.Data)
			key, keyErr := nlmsg.Attr{Data: attrOf(o, data, nlmsg.NFTACTKey)}.Uint32BE()
			if err == nil && keyErr == nil && name == "ct" && key >= firstCounting && key <= lastCounting {
				counting[tableKey{r.Family, r.Table}] = true
			}
			return nil
		})
	}
	return slices.DeleteFunc(l.Tables(), func(t LoadedTable) bool { return !counting[tableKey{t.Family, t.Name}] })
}

// NFT_CT_PKTS to NFT_CT_AVGPKT.
const (
	firstCounting = 14
	lastCounting  = 16
)
