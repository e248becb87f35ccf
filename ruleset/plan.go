package ruleset

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/go-fastpath/fastpath/flowtable"
)

// A Plan is an ordered list of operations that lead from what a kernel holds to what was declared. It is immutable and safe
// for concurrent use.
type Plan struct {
	want       *Resolved
	operations []Operation
	warnings   []string
	others     func() []Finding  // what others have in the way, found once; nil is not told
	beside     func(*Plan) *Plan // gives a plan made anew the same others; nil is none
	bindings   []flowtable.Binding
	generation uint32
	have       *Loaded           // what it was made from; nil if nobody looked, or it does not matter
	ground     *Loaded           // what it was made from; nil if nobody looked
	heedless   func(setKey) bool // of which sets the elements do not matter; nil is of those that are declared live
	disruptive bool
	adopt      bool
	again      func(*Loaded) (*Plan, error) // plans the same from another state; nil is by Diff
}

// Empty reports whether there is nothing to do.
func (p *Plan) Empty() bool { return len(p.operations) == 0 }

// Operations in the order in which they are sent.
func (p *Plan) Operations() []Operation { return slices.Clone(p.operations) }

// Disruptive reports whether live flows leave the fast path because a flowtable, or a device of one, is deleted; the operations
// say which. The flows stay connected: the classic path carries them until a rule offloads them again.
func (p *Plan) Disruptive() bool { return p.disruptive }

// Warnings are what Lint finds in the declaration, what applying it does besides, and what the kernel holds that stands in its
// way, one sentence each. Findings that only inform are not among them.
func (p *Plan) Warnings() []string {
	list := append(warnings(p.want), p.warnings...)
	for _, f := range p.Conflicts() {
		if !f.Information {
			list = append(list, f.String())
		}
	}
	return list
}

// Conflicts are those of the declaration with what others have in the kernel that the plan was made for: see Resolved.Conflicts. Warnings
// tells them too.
func (p *Plan) Conflicts() []Finding {
	if p.others == nil {
		return nil
	}
	return slices.Clone(p.others())
}

// IgnoreConflicts is the plan without them, now and when it is rebased.
func (p *Plan) IgnoreConflicts() *Plan {
	c := *p
	c.others = nil
	return &c
}

// Generation of the kernel's ruleset that the plan was made for. The batch is refused by a kernel that has moved on. 0 is
// any: the plan was made without looking.
func (p *Plan) Generation() uint32 { return p.generation }

// Owner is the owner of the tables that the plan is for.
func (p *Plan) Owner() string { return p.want.spec.Owner }

// Rebase plans the way to the same declaration from another state of the kernel. Errors are those of Diff.
func (p *Plan) Rebase(have *Loaded) (*Plan, error) {
	if p.again != nil {
		return p.again(have)
	}
	fresh, err := diff(have, p.want, p.adopt)
	if err != nil {
		return nil, err
	}
	switch {
	case p.others == nil:
		fresh.others = nil
	case p.beside != nil:
		fresh = p.beside(fresh)
	}
	return fresh, nil
}

// Bindings says for each device of each flowtable whether it is listed, and why.
func (p *Plan) Bindings() []flowtable.Binding { return slices.Clone(p.bindings) }

// String is the plan as nft commands, one a line. nft -f takes it as it is, with two exceptions of nft 1.0: it deletes no name prefix
// from a set, and no device from a flowtable whose priority is not 0. The batch does both.
func (p *Plan) String() string {
	var b strings.Builder
	for _, op := range p.operations {
		b.WriteString(op.String())
		b.WriteByte('\n')
	}
	return b.String()
}

// Batch encodes the plan for a machine of one byte order; nil is this machine's. Equal plans give equal bytes.
func (p *Plan) Batch(order binary.ByteOrder) (*Batch, error) { return encode(p, order) }
