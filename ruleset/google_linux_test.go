package ruleset

import (
	"encoding/binary"
	"testing"

	"github.com/google/nftables/expr"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// TestAgainstGoogle compares expressions with those that google/nftables marshals, attribute by attribute. It is a second
// oracle beside nft, for what it can say.
func TestAgainstGoogle(t *testing.T) {
	native := binary.NativeEndian
	mark := func(v uint32) []byte { return native.AppendUint32(nil, v) }
	zero := []byte{0, 0, 0, 0}
	accept := &expr.Verdict{Kind: expr.VerdictAccept}
	nfproto := []expr.Any{&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.NFPROTO_IPV4}}}
	tcp := []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}}}
	dport := &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2}
	name := func(s string) []byte { return append([]byte(s), make([]byte, 16-len(s))...) }
	for _, c := range []struct {
		rule  Rule
		exprs []expr.Any
	}{
		{R(Accept()), []expr.Any{accept}},
		{R(Drop()), []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}},
		{R(Return()), []expr.Any{&expr.Verdict{Kind: expr.VerdictReturn}}},
		{R(Jump("sub")), []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: "sub"}}},
		{R(Goto("sub")), []expr.Any{&expr.Verdict{Kind: expr.VerdictGoto, Chain: "sub"}}},
		{R(IIFName.Is("eth0")), []expr.Any{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, &expr.Cmp{Register: 1, Data: name("eth0")}}},
		{R(OIFName.Not("ppp*")), []expr.Any{&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1}, &expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: []byte("ppp")}}},
		{R(TCPDport.Is(443)), append(tcp, dport, &expr.Cmp{Register: 1, Data: []byte{1, 0xbb}})},
		{R(TCPDport.Between(1024, 65535)), append(tcp, dport, &expr.Cmp{Op: expr.CmpOpGte, Register: 1, Data: []byte{4, 0}}, &expr.Cmp{Op: expr.CmpOpLte, Register: 1, Data: []byte{255, 255}})},
		{R(WordField(TCPDport).Not("1024-2047")), append(tcp, dport, &expr.Range{Op: expr.CmpOpNeq, Register: 1, FromData: []byte{4, 0}, ToData: []byte{7, 255}})},
		{R(IPSaddr.Is("192.0.2.0/24")), append(nfproto,
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 12, Len: 3}, &expr.Cmp{Register: 1, Data: []byte{192, 0, 2}})},
		{R(CTState.Is(Established, Related)), []expr.Any{&expr.Ct{Key: expr.CtKeySTATE, Register: 1},
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: mark(6), Xor: zero}, &expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: zero}}},
		{R(CTPackets.AtLeast(30)), []expr.Any{&expr.Ct{Key: expr.CtKeyPKTS, Register: 1}, // it writes a direction as 32 bits, which the kernel reads as 8
			&expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: 8, Size: 8}, &expr.Cmp{Op: expr.CmpOpGte, Register: 1, Data: []byte{0, 0, 0, 0, 0, 0, 0, 30}}}},
		{R(MetaMark.Has(0x1200, 0xff00)), []expr.Any{&expr.Meta{Key: expr.MetaKeyMARK, Register: 1},
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: mark(0xff00), Xor: zero}, &expr.Cmp{Register: 1, Data: mark(0x1200)}}},
		{R(MetaMark.Set(7, 1<<32-1)), []expr.Any{&expr.Immediate{Register: 1, Data: mark(7)}, &expr.Meta{Key: expr.MetaKeyMARK, SourceRegister: true, Register: 1}}},
		{R(CTMark.Set(0x100, 0x100)), []expr.Any{&expr.Ct{Key: expr.CtKeyMARK, Register: 1},
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: mark(^uint32(0x100)), Xor: mark(0x100)}, &expr.Ct{Key: expr.CtKeyMARK, SourceRegister: true, Register: 1}}},
		{R(Statement{Limit: &Limiting{Rate: 3, Per: "minute", Burst: 9, Over: true}}), []expr.Any{&expr.Limit{Type: expr.LimitTypePkts, Rate: 3, Unit: expr.LimitTimeMinute, Burst: 9, Over: true}}},
		{R(Statement{Log: &Logging{Prefix: "x ", Group: number16(5)}}), []expr.Any{&expr.Log{Key: 1<<unix.NFTA_LOG_PREFIX | 1<<unix.NFTA_LOG_GROUP, Data: []byte("x "), Group: 5}}},
		{R(Statement{Log: &Logging{Level: "debug"}}), []expr.Any{&expr.Log{Key: 1 << unix.NFTA_LOG_LEVEL, Level: expr.LogLevelDebug}}},
	} {
		b := batchOf(t, &Spec{Tables: []Table{{Name: "t", Chains: []Chain{{Name: "sub"}, {Name: "c", Hook: Forward, Rules: []Rule{c.rule}}}}}}, nil)
		ours := ruleExpressions(t, b)
		require.Len(t, ours, len(c.exprs), "%s", ruleText(Inet, &c.rule))
		for i, e := range c.exprs {
			theirs, err := expr.Marshal(unix.NFPROTO_INET, e)
			require.NoError(t, err)
			assert.Equal(t, exprText(theirs), exprText(ours[i]), "%s: expression %d", ruleText(Inet, &c.rule), i)
		}
	}
}

// ruleExpressions are the contents of the list elements of the only rule.
func ruleExpressions(t *testing.T, b *Batch) (list [][]byte) {
	t.Helper()
	for _, m := range messagesOf(t, b) {
		if m.Type != nlmsg.NFTablesType(nlmsg.NFTMsgNewRule) {
			continue
		}
		for attrs := m.Data[4:]; len(attrs) > 0; {
			a, rest, err := nlmsg.NextAttr(b.order, attrs)
			require.NoError(t, err)
			for exprs := a.Data; a.Type == nlmsg.NFTARuleExpressions && len(exprs) > 0; {
				e, next, err := nlmsg.NextAttr(b.order, exprs)
				require.NoError(t, err)
				list, exprs = append(list, e.Data), next
			}
			attrs = rest
		}
	}
	return list
}

// exprText is one expression as a normal dump: the order of attributes does not matter.
func exprText(attrs []byte) string {
	b := nlmsg.NewBuilder(nlmsg.Native(), nil)
	b.BeginNetfilter(nlmsg.NFTablesType(nlmsg.NFTMsgNewRule), 0, 0, nlmsg.FamilyInet, 0)
	list := b.Nest(nlmsg.NFTARuleExpressions)
	elem := b.Nest(nlmsg.NFTAListElem)
	b.Raw(attrs)
	b.EndNest(elem)
	b.EndNest(list)
	b.End()
	return normalDump(dumpText(b.Bytes()))
}

func dumpText(b []byte) string {
	var text textWriter
	if err := nlmsg.WriteText(&text, nlmsg.Native(), b); err != nil {
		return err.Error()
	}
	return string(text)
}

type textWriter []byte

func (w *textWriter) Write(p []byte) (int, error) {
	*w = append(*w, p...)
	return len(p), nil
}
