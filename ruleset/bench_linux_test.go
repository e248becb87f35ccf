package ruleset

import (
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// BenchmarkGoogle10kRules encodes the rules of BenchmarkCompile10kRules with google/nftables, for comparison.
func BenchmarkGoogle10kRules(b *testing.B) {
	table := &nftables.Table{Family: nftables.TableFamilyINet, Name: "t"}
	chain := &nftables.Chain{Table: table, Name: "c"}
	b.ReportAllocs()
	for b.Loop() {
		conn, err := nftables.New(nftables.WithTestDial(func([]netlink.Message) ([]netlink.Message, error) { return nil, nil }))
		if err != nil {
			b.Fatal(err)
		}
		for i := range 10_000 {
			conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
				&expr.Ct{Key: expr.CtKeySTATE, Register: 1},
				&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: []byte{2, 0, 0, 0}, Xor: []byte{0, 0, 0, 0}},
				&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: []byte{0, 0, 0, 0}},
				&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
				&expr.Cmp{Register: 1, Data: []byte{unix.NFPROTO_IPV4}},
				&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 12, Len: 4},
				&expr.Cmp{Register: 1, Data: []byte{10, 0, byte(i >> 8), byte(i)}},
				&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
				&expr.Cmp{Register: 1, Data: []byte{unix.IPPROTO_TCP}},
				&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
				&expr.Cmp{Register: 1, Data: []byte{byte(i >> 8), byte(i)}},
				&expr.Counter{},
				&expr.Verdict{Kind: expr.VerdictAccept},
			}})
		}
	}
}
