package ruleset

import (
	"errors"
	"io/fs"
	"iter"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// A kernelState builds the dump of a kernel.
type kernelState struct{ messages []Message }

func (k *kernelState) add(msg uint16, family byte, fill func(*nlmsg.Builder)) {
	b := nlmsg.NewBuilder(nlmsg.Native(), nil)
	b.BeginNetfilter(nlmsg.NFTablesType(msg), nlmsg.FlagMulti, 0, family, 7)
	fill(b)
	b.End()
	k.messages = append(k.messages, Message{Type: nlmsg.NFTablesType(msg), Flags: nlmsg.FlagMulti, Generation: 7, Data: b.Bytes()[16:]})
}

func (k *kernelState) generation(id uint32) {
	k.add(nlmsg.NFTMsgNewGen, 0, func(b *nlmsg.Builder) { b.Uint32BE(nlmsg.NFTAGenID, id) })
}

// table adds a table with a comment, "" for none.
func (k *kernelState) table(family byte, name, comment string) {
	k.add(nlmsg.NFTMsgNewTable, family, func(b *nlmsg.Builder) {
		b.String(nlmsg.NFTATableName, name)
		b.Uint32BE(nlmsg.NFTATableUse, 3)
		b.Uint64BE(nlmsg.NFTATableHandle, 12)
		if comment != "" {
			b.Data(nlmsg.NFTATableUserdata, append(append([]byte{nlmsg.UdataTableComment, byte(len(comment) + 1)}, comment...), 0))
		}
	})
}

func (k *kernelState) flowtable(family byte, table, name string) {
	k.add(nlmsg.NFTMsgNewFlowtable, family, func(b *nlmsg.Builder) {
		b.String(nlmsg.NFTAFlowtableTable, table)
		b.String(nlmsg.NFTAFlowtableName, name)
	})
}

func (k *kernelState) stream() iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for _, m := range k.messages {
			if !yield(m, nil) {
				return
			}
		}
	}
}

func (k *kernelState) load(t testing.TB, owner string) *Loaded {
	t.Helper()
	l, err := Load(owner, k.stream())
	require.NoError(t, err)
	return l
}

func resolved(t testing.TB, s *Spec) *Resolved {
	t.Helper()
	r, err := s.Resolve(nil)
	require.NoError(t, err)
	return r
}

func smallSpec() *Spec {
	return &Spec{Tables: []Table{
		{Name: "a", Flowtables: []flowtable.Spec{{Name: "f", Devices: []flowtable.Selector{{Name: "eth0"}}}},
			Sets:   []Set{{Name: "slow", Type: IPv4Addr, Elements: []string{"192.0.2.1"}}, {Name: "void", Type: IfName}},
			Chains: []Chain{{Name: "c", Hook: Forward, Rules: []Rule{R(L4Proto.Is(TCP), FlowAdd("f")).Note("x")}}, {Name: "r"}}},
		{Family: IP6, Name: "b"},
	}}
}

const smallCreation = `create table inet a { comment "managed by fastpath"; }
add chain inet a c { type filter hook forward priority filter; policy accept; }
add chain inet a r
add set inet a slow { type ipv4_addr; }
add element inet a slow { 192.0.2.1 }
add set inet a void { type ifname; }
add flowtable inet a f { hook ingress priority filter; devices = { "eth0" }; counter; }
add rule inet a c meta l4proto tcp flow add @f comment "x"
create table ip6 b { comment "managed by fastpath"; }
`

func TestDiffEmptyKernel(t *testing.T) {
	for name, have := range map[string]*Loaded{"nil": nil, "empty": (&kernelState{}).load(t, "")} {
		p, err := Diff(have, resolved(t, smallSpec()))
		require.NoError(t, err, name)
		assert.Equal(t, smallCreation, p.String(), name)
		assert.False(t, p.Empty())
		assert.False(t, p.Disruptive())
		assert.Zero(t, p.Generation())
		require.Len(t, p.Warnings(), 1)
		assert.Contains(t, p.Warnings()[0], "flowtable inet a f has one device")
		assert.Equal(t, "table inet a does not exist", p.Operations()[0].Reason)
		assert.Equal(t, []flowtable.Binding{{Flowtable: "f", Device: "eth0", State: flowtable.Bound, Why: "listed as declared; nothing is known of the machine"}}, p.Bindings())
	}
}

func TestDiffNothingDeclared(t *testing.T) {
	p, err := Diff(nil, resolved(t, &Spec{}))
	require.NoError(t, err)
	assert.True(t, p.Empty())
	b, err := p.Batch(nil)
	require.NoError(t, err)
	assert.Equal(t, 2, b.Messages())
	assert.Len(t, b.DryRun(), 20)
}

func TestDiffOwnership(t *testing.T) {
	var k kernelState
	k.generation(0x10007)
	k.table(nlmsg.FamilyInet, "a", "managed by fastpath")
	k.flowtable(nlmsg.FamilyInet, "a", "g")
	k.table(nlmsg.FamilyIPv6, "b", "managed by fastpath")
	k.table(nlmsg.FamilyInet, "old", "managed by fastpath")
	k.table(nlmsg.FamilyInet, "theirs", "managed by someone")
	k.table(nlmsg.FamilyIPv4, "a", "")
	have := k.load(t, "")
	p, err := Diff(have, resolved(t, smallSpec()))
	require.NoError(t, err)
	creation := strings.SplitAfter(smallCreation, "\n")
	assert.Equal(t, "delete table inet old\ndelete flowtable inet a g\n"+strings.Join(creation[1:len(creation)-2], ""), p.String(),
		"the table stays; of ip6 b nothing is missing")
	assert.True(t, p.Disruptive())
	assert.EqualValues(t, 0x10007, p.Generation())
	assert.False(t, have.Torn())
	ops := p.Operations()
	assert.Equal(t, "it is managed by fastpath and no longer declared", ops[0].Reason)
	assert.False(t, ops[0].Disruptive)
	assert.Equal(t, "it is not declared; its live flows leave the fast path", ops[1].Reason)
	assert.True(t, ops[1].Disruptive)

	b, err := p.Batch(nil)
	require.NoError(t, err)
	var text strings.Builder
	require.NoError(t, b.WriteText(&text))
	assert.True(t, strings.HasPrefix(text.String(), "#0 NFNL_MSG_BATCH_BEGIN unspec REQUEST res_id 10\n  NFNL_BATCH_GENID 65543\n#1 NFT_MSG_DELTABLE inet REQUEST\n  NFTA_TABLE_NAME \"old\"\n"), text.String())
}

// A table of a declared name without our mark is taken over on purpose only, and then as a whole.
func TestDiffAdopts(t *testing.T) {
	var k kernelState
	k.table(nlmsg.FamilyInet, "a", "")
	k.flowtable(nlmsg.FamilyInet, "a", "f")
	k.table(nlmsg.FamilyIPv6, "b", "managed by someone")
	p, err := DiffAdopt(k.load(t, ""), resolved(t, smallSpec()))
	require.NoError(t, err)
	parts := strings.SplitAfter(smallCreation, `flow add @f comment "x"`+"\n")
	assert.Equal(t, "delete table inet a\n"+parts[0]+"delete table ip6 b\n"+parts[1], p.String())
	assert.True(t, p.Disruptive())
	again, err := p.Rebase(k.load(t, ""))
	require.NoError(t, err)
	assert.Equal(t, p.String(), again.String(), "a plan that adopts goes on adopting")
}

// A mark can stand on a table of a family that no Spec names. Its deletion must not hit the inet table of the same name.
func TestDiffDeletesTheFamilyThatBearsTheMark(t *testing.T) {
	for family, name := range map[byte]string{nlmsg.FamilyARP: "arp", nlmsg.FamilyBridge: "bridge", nlmsg.FamilyNetdev: "netdev", nlmsg.FamilyIPv4: "ip"} {
		var k kernelState
		k.table(family, "x", "managed by fastpath")
		k.table(nlmsg.FamilyInet, "x", "theirs")
		p, err := Diff(k.load(t, ""), resolved(t, &Spec{}))
		require.NoError(t, err)
		require.Equal(t, "delete table "+name+" x\n", p.String())
		b, err := p.Batch(nil)
		require.NoError(t, err)
		var text strings.Builder
		require.NoError(t, b.WriteText(&text))
		assert.Contains(t, text.String(), "NFT_MSG_DELTABLE "+name+" REQUEST")
	}
}

// A family that this library cannot name is no place for a table of ours: a mark there stops no plan, and is told.
func TestDiffLeavesFamiliesWithoutAName(t *testing.T) {
	for _, family := range []byte{0, 4, 99} {
		var k kernelState
		k.table(family, "x", "managed by fastpath")
		l := k.load(t, "")
		require.Len(t, l.Tables(), 1)
		assert.Empty(t, l.Tables()[0].Owner)
		p, err := Diff(l, resolved(t, smallSpec()))
		require.NoError(t, err)
		assert.NotContains(t, p.String(), "delete")
		_, err = p.Batch(nil)
		require.NoError(t, err)
		assert.Contains(t, p.Warnings(), "table family "+strconv.Itoa(int(family))+" x is ignored: it looks like one of ours, and this library knows no such family; look who made it")
	}
}

func TestDiffRefusesForeignTables(t *testing.T) {
	var k kernelState
	k.table(nlmsg.FamilyInet, "a", "")
	k.table(nlmsg.FamilyIPv6, "b", "managed by someone")
	_, err := Diff(k.load(t, ""), resolved(t, smallSpec()))
	require.ErrorIs(t, err, ErrForeign)
	assert.ErrorContains(t, err, "table inet a bears no owner's mark")
	assert.ErrorContains(t, err, "`nft delete table inet a`")
	assert.ErrorContains(t, err, "table ip6 b is managed by someone")

	spec := smallSpec()
	spec.Owner = "someone"
	spec.Tables = spec.Tables[1:]
	p, err := Diff(k.load(t, "someone"), resolved(t, spec))
	require.NoError(t, err)
	assert.True(t, p.Empty())
}

func TestPlanWarnsOfAccounting(t *testing.T) {
	s := smallSpec()
	s.Tables[0].Chains[0].Rules = append(s.Tables[0].Chains[0].Rules, R(CTOriginalPackets.AtLeast(20)))
	p, err := Diff(nil, resolved(t, s))
	require.NoError(t, err)
	require.NotEmpty(t, p.Warnings())
	assert.Contains(t, p.Warnings()[0], `chain inet a c tests "ct original packets": the kernel sets net.netfilter.nf_conntrack_acct`)
}

func TestOperationCopies(t *testing.T) {
	p, err := Diff(nil, resolved(t, smallSpec()))
	require.NoError(t, err)
	for _, op := range p.Operations() {
		f, devices, ok := op.Flowtable()
		assert.Equal(t, op.Kind == KindFlowtable, ok)
		if ok {
			assert.Equal(t, "f", f.Name)
			assert.Equal(t, []string{"eth0"}, devices)
		}
		r, ok := op.Rule()
		assert.Equal(t, op.Kind == KindRule, ok)
		if ok {
			assert.Equal(t, "x", r.Comment)
		}
	}
}

func TestBatchNamesAttributes(t *testing.T) {
	p, err := Diff(nil, resolved(t, smallSpec()))
	require.NoError(t, err)
	b, err := p.Batch(nil)
	require.NoError(t, err)
	message := -1
	for i := range b.Messages() {
		if op, ok := b.Operation(i); ok && op.Kind == KindFlowtable {
			message = i
		}
	}
	require.NotEqual(t, -1, message)
	// Offsets as kernels gave them for such messages (the errno table of the kernel notes): TABLE, NAME, a device.
	assert.Equal(t, `NFTA_FLOWTABLE_TABLE "a"`, b.Attribute(message, 20))
	assert.Equal(t, `NFTA_FLOWTABLE_NAME "f"`, b.Attribute(message, 28))
	assert.Equal(t, `NFTA_FLOWTABLE_FLAGS 0x2`, b.Attribute(message, 36))
	assert.Equal(t, `NFTA_FLOWTABLE_HOOK`, b.Attribute(message, 44))
	assert.Equal(t, `NFTA_FLOWTABLE_HOOK.NFTA_FLOWTABLE_HOOK_DEVS`, b.Attribute(message, 64))
	assert.Equal(t, `NFTA_FLOWTABLE_HOOK.NFTA_FLOWTABLE_HOOK_DEVS.NFTA_DEVICE_NAME "eth0"`, b.Attribute(message, 68))
	for _, offset := range []uint32{0, 16, 19, 1000, 1<<32 - 1} {
		assert.Empty(t, b.Attribute(message, offset), "offset %d", offset)
	}
	assert.Empty(t, b.Attribute(-1, 20))
	assert.Empty(t, b.Attribute(b.Messages(), 20))
	assert.Empty(t, b.Attribute(0, 20), "BATCH_BEGIN of a plan for any generation has no attributes")
}

func TestBatchBytes(t *testing.T) {
	p, err := Diff(nil, resolved(t, smallSpec()))
	require.NoError(t, err)
	b, err := p.Batch(nil)
	require.NoError(t, err)
	bytes, err := b.MarshalBinary()
	require.NoError(t, err)
	require.Equal(t, b.Bytes(), bytes)
	bytes[0]++
	assert.NotEqual(t, b.Bytes(), bytes, "a copy")
	assert.Equal(t, b.Bytes()[:len(b.Bytes())-20], b.DryRun())
}

func TestCommitError(t *testing.T) {
	err := error(&CommitError{Refusals: []Refusal{{Message: 3, Errno: 2, Offset: 20}, {Message: 4, Errno: 1, Text: "reserved bit set"}, {Message: 5, Errno: 4095}}})
	assert.Equal(t, "the kernel refused the batch: message 3: ENOENT, no such object; message 4: EPERM, operation not permitted (kernel says: reserved bit set); message 5: errno 4095", err.Error())
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.ErrorIs(t, err, fs.ErrPermission)
	assert.NotErrorIs(t, err, fs.ErrExist)
	var r Refusal
	require.True(t, errors.As(err, &r))
	assert.Equal(t, 3, r.Message)
	assert.Contains(t, (&CommitError{Unknown: true}).Error(), "unknown whether")
}
