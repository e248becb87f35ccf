package ruleset

import (
	"testing"

	"github.com/google/nftables/expr"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// create applies s and tells from the echoes what the kernel holds.
func create(t *testing.T, ns *testns.Namespace, s *Spec) (*Loaded, bool) {
	t.Helper()
	have := loadFrom(t, ns)
	p, b := batchBetween(t, have, s)
	list := commitEchoes(t, ns, b)
	for i := range list { // any echo that is missing is noticed
		if list[i].Type == nlmsg.NFTablesType(nlmsg.NFTMsgNewGen) {
			continue
		}
		_, ok := p.AfterCreation(b, have, append(append([]Message(nil), list[:i]...), list[i+1:]...), have.Generation()+1)
		assert.False(t, ok, "without echo %d", i)
	}
	return p.AfterCreation(b, have, list, have.Generation()+1)
}

// TestAfterCreation compares what follows from the echoes of a new table with what a dump says, and changes it by that.
func TestAfterCreation(t *testing.T) {
	ns := testns.NewT(t, "create")
	ctx := testContext(t)
	require.NoError(t, ns.NFT(ctx, "table ip theirs { chain c { tcp dport { 5, 6 } drop; }; }"))
	switchOff(t, ns)
	s := chainOf(toPort(1), R(IPSaddr.In("s"), Counter()).Note("two"), toPort(3))
	t1 := &s.Tables[0]
	t1.Sets = []Set{{Name: "s", Type: IPv4Addr, Interval: true, Elements: []string{"10.0.0.0/8", "192.0.2.1"}}, {Name: "e", Type: InetService}}
	t1.Chains = append(t1.Chains, Chain{Name: "sub", Rules: []Rule{R(TCPDport.In("e"), Accept()), R(Jump("more"))}}, Chain{Name: "more"})
	if have, _ := testns.HaveFlowtables(ctx); have {
		t1.Flowtables = []flowtable.Spec{{Name: "f"}}
	}
	s.Tables = append(s.Tables, Table{Name: "u", Family: IP, Chains: []Chain{{Name: "c", Hook: Input, Rules: []Rule{toPort(7), toPort(8)}}}})
	got, ok := create(t, ns, s)
	require.True(t, ok)
	want := loadFrom(t, ns)
	compareCreated(t, want, got)
	p, _ := batchBetween(t, got, s)
	assert.Empty(t, p.String())

	t1.Chains[0].Rules[1] = toPort(22)
	t1.Chains[0].Rules = append([]Rule{toPort(0)}, t1.Chains[0].Rules...)
	after := follow(t, ns, got, s)
	compareCreated(t, loadFrom(t, ns), after)
	p, _ = batchBetween(t, loadFrom(t, ns), s)
	assert.Empty(t, p.String())
}

// The names of anonymous sets are the kernel's, and what it makes of expressions of the caller's own: a table with some is read back.
func TestAfterCreationOfWhatOnlyTheKernelKnows(t *testing.T) {
	raw, err := rawStatement(Inet, "counter", &expr.Counter{})
	require.NoError(t, err)
	for _, r := range []Rule{R(TCPDport.Is(5, 6, 7), Drop()), R(raw)} {
		_, ok := create(t, testns.NewT(t, "create"), chainOf(toPort(1), r, toPort(2)))
		assert.False(t, ok)
	}
}

// compareCreated compares everything with its handles, but not the bytes of expressions: those that were sent say the same as the
// kernel's in other words.
func compareCreated(t *testing.T, want, got *Loaded) {
	t.Helper()
	assert.Equal(t, want.Generation(), got.Generation())
	names := func(l *Loaded) (list []string) {
		for _, table := range l.Tables() {
			list = append(list, table.Name+table.Owner)
		}
		return list
	}
	assert.Equal(t, names(want), names(got))
	assert.Equal(t, want.marks, got.marks)
	assert.Equal(t, want.ignored, got.ignored)
	assert.ElementsMatch(t, want.Chains(), got.Chains())
	assert.ElementsMatch(t, want.Flowtables(), got.Flowtables())
	bodiless := func(list []LoadedRule) []LoadedRule {
		for i := range list {
			list[i].Expressions, list[i].message = nil, 0
		}
		return list
	}
	assert.ElementsMatch(t, bodiless(want.Rules()), bodiless(got.Rules()))
	for i := range want.sets {
		assert.Equal(t, want.sets[i].Handle, got.sets[i].Handle)
		assert.Equal(t, want.sets[i].Elements(), got.sets[i].Elements())
	}
}
