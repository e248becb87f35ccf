package main

import (
	"context"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/testns"
)

const (
	googleBuffers = 64 << 20 // with its own, google/nftables fails beyond some hundred messages
	googleChunk   = 4000     // elements a message: its length field has 16 bits
)

// A googleRuleset is what google/nftables is given, made beforehand as the Spec is.
type googleRuleset struct {
	table    *nftables.Table
	chain    *nftables.Chain
	rules    []*nftables.Rule
	elements []nftables.SetElement
}

// googleRules are the rules of ruleSpec.
func googleRules() *googleRuleset {
	g := &googleRuleset{table: &nftables.Table{Family: nftables.TableFamilyINet, Name: "t"}}
	g.chain = &nftables.Chain{Table: g.table, Name: "c", Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookForward,
		Priority: nftables.ChainPriorityFilter}
	for i := range rules {
		g.rules = append(g.rules, &nftables.Rule{Table: g.table, Chain: g.chain, Exprs: googleRule(i, uint16(i))})
	}
	return g
}

// googleRule is what nft and fastpath make of the rule.
func googleRule(i int, port uint16) []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(expr.CtStateBitESTABLISHED), Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)},
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Register: 1, Data: []byte{unix.NFPROTO_IPV4}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 12, Len: 4},
		&expr.Cmp{Register: 1, Data: address(i).AsSlice()},
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Register: 1, Data: []byte{unix.IPPROTO_TCP}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Cmp{Register: 1, Data: binaryutil.BigEndian.PutUint16(port)},
		&expr.Counter{},
		&expr.Verdict{Kind: expr.VerdictAccept},
	}
}

// googleElements are the elements of elementSpec.
func googleElements(first int) *googleRuleset {
	g := &googleRuleset{table: &nftables.Table{Family: nftables.TableFamilyINet, Name: "t"}}
	for i := range elements {
		g.elements = append(g.elements, nftables.SetElement{Key: address(first + i).AsSlice()})
	}
	return g
}

// add queues everything in a Conn.
func (g *googleRuleset) add(c *nftables.Conn) error {
	c.AddTable(g.table)
	if g.chain != nil {
		c.AddChain(g.chain)
	}
	for _, r := range g.rules {
		c.AddRule(r)
	}
	if len(g.elements) == 0 {
		return nil
	}
	set := &nftables.Set{Table: g.table, Name: "big", KeyType: nftables.TypeIPAddr, KeyByteOrder: binaryutil.BigEndian}
	if err := c.AddSet(set, nil); err != nil {
		return err
	}
	for rest := g.elements; len(rest) > 0; {
		n := min(googleChunk, len(rest))
		if err := c.SetAddElements(set, rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// apply is google/nftables with buffers of 64 MB, from the ruleset in memory to the kernel's last answer.
func (g *googleRuleset) apply(_ context.Context, ns *testns.Namespace) (sample, error) {
	return timed(func() error {
		c, err := nftables.New(nftables.WithNetNSFd(ns.FD()), nftables.WithSockOptions(func(c *netlink.Conn) error {
			if err := c.SetReadBuffer(googleBuffers); err != nil {
				return err
			}
			return c.SetWriteBuffer(googleBuffers)
		}))
		if err != nil {
			return err
		}
		if err := g.add(c); err != nil {
			return err
		}
		return c.Flush()
	})
}

// compile queues everything and sends nothing.
func (g *googleRuleset) compile() error {
	c, err := nftables.New(nftables.WithTestDial(func([]netlink.Message) ([]netlink.Message, error) { return nil, nil }))
	if err != nil {
		return err
	}
	return g.add(c)
}
