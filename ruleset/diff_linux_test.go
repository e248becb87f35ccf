package ruleset

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// move applies s by the least that does it, and demands that nothing is left to do then. It returns the plan.
func move(t testing.TB, ns *testns.Namespace, s *Spec) *Plan {
	t.Helper()
	p, b := batchBetween(t, loadFrom(t, ns), s)
	if p.Empty() {
		return p
	}
	if refused, ok := commit(t, ns, b).(*CommitError); ok {
		for _, r := range refused.Refusals {
			op, _ := b.Operation(r.Message)
			t.Errorf("%s: %v %s", op, r, b.Attribute(r.Message, r.Offset))
		}
		t.FailNow()
	}
	again, _ := batchBetween(t, loadFrom(t, ns), s)
	require.Empty(t, again.String(), "the plan after\n%s", p)
	return p
}

// handles are those of the rules of a chain, first to last.
func handles(l *Loaded, chain string) []uint64 {
	var list []uint64
	for _, r := range l.Rules() {
		if r.Chain == chain {
			list = append(list, r.Handle)
		}
	}
	return list
}

// TestNothingToDo applies every form of rule, and every type of set, in every family: what the kernel gives back is what was sent.
func TestNothingToDo(t *testing.T) {
	for _, family := range []Family{Inet, IP, IP6} {
		t.Run(string(family), func(t *testing.T) {
			ns := testns.NewT(t, "nothing")
			move(t, ns, oracleSpec(family))
		})
	}
}

// TestNothingToDoAfterNFT loads our text by nft: the rules bear no identity, and what they do is the same.
func TestNothingToDoAfterNFT(t *testing.T) {
	for _, family := range []Family{Inet, IP, IP6} {
		t.Run(string(family), func(t *testing.T) {
			ns := testns.NewT(t, "after")
			require.NoError(t, ns.NFT(testContext(t), nftText(t, oracleSpec(family))))
			p, _ := batchBetween(t, loadFrom(t, ns), oracleSpec(family))
			var different []string
			for _, op := range p.Operations() {
				if op.Verb != VerbDelete {
					different = append(different, op.body())
				}
			}
			assert.Contains(t, different, "tcp sport 99 tcp dport 80", "nft makes one comparison of the two ports, we do not")
			different = slices.DeleteFunc(different, func(rule string) bool {
				return rule == "tcp sport 99 tcp dport 80" || strings.Contains(rule, " dscp {") // nft 1.1 masks the elements of such a set otherwise
			})
			assert.Empty(t, different)
		})
	}
}

func chainOf(rules ...Rule) *Spec {
	return &Spec{Tables: []Table{{Name: "t", Chains: []Chain{{Name: "c", Hook: Forward, Rules: rules}}}}}
}

func toPort(n uint16) Rule { return R(TCPDport.Is(n), Counter(), Accept()) }

func TestRulesKeepTheirHandles(t *testing.T) {
	ns := testns.NewT(t, "handles")
	move(t, ns, chainOf(toPort(1), toPort(2), toPort(3), toPort(4)))
	before := handles(loadFrom(t, ns), "c")

	p := move(t, ns, chainOf(toPort(1), toPort(22), toPort(3), toPort(4)))
	require.Len(t, p.Operations(), 1)
	assert.Equal(t, VerbReplace, p.Operations()[0].Verb)
	assert.Equal(t, before, handles(loadFrom(t, ns), "c"), "a rule that is replaced keeps its handle")

	p = move(t, ns, chainOf(toPort(9), toPort(1), toPort(22), toPort(8), toPort(7), toPort(3), toPort(4), toPort(5)))
	assert.Len(t, p.Operations(), 4)
	h := handles(loadFrom(t, ns), "c")
	assert.Equal(t, before, []uint64{h[1], h[2], h[5], h[6]})

	p = move(t, ns, chainOf(toPort(3), toPort(1)))
	assert.Len(t, p.Operations(), 7)
	assert.Contains(t, listing(t, ns), "tcp dport 3 counter packets 0 bytes 0 accept\n\t\ttcp dport 1 ")

	p = move(t, ns, chainOf(toPort(3), toPort(3), toPort(1), toPort(3)))
	assert.Len(t, p.Operations(), 2)
	assert.Empty(t, move(t, ns, chainOf(toPort(3), toPort(3), toPort(1), toPort(3))).String())
}

func TestForeignEditsAreSeen(t *testing.T) {
	ns, ctx := testns.NewT(t, "edits"), testContext(t)
	s := chainOf(toPort(1).Note("one"), toPort(2), toPort(3))
	s.Tables[0].Sets = []Set{{Name: "s", Type: IPv4Addr, Interval: true, Elements: []string{"10.0.0.0/8", "192.0.2.1-192.0.2.9"}}}
	move(t, ns, s)
	for what, c := range map[string]struct{ edit, plan string }{
		"a rule":            {"insert rule inet t c counter", "delete rule inet t c handle "},
		"a rule at the end": {"add rule inet t c meta l4proto udp counter", "delete rule inet t c handle "},
		"a deletion":        {"delete rule inet t c handle %1", "insert rule inet t c handle "},
		"a flush":           {"flush chain inet t c", "add rule inet t c tcp dport 1"},
		"another body":      {`replace rule inet t c handle %1 tcp dport 1 accept comment "one"`, "delete rule inet t c handle "},
		"a chain":           {"add chain inet t x; add rule inet t x accept; add rule inet t c jump x", "delete chain inet t x"},
		"a policy":          {"add chain inet t c { policy drop; }", "policy accept"},
		"a set":             {"add set inet t y { type ipv4_addr; }", "delete set inet t y"},
		"an element":        {"add element inet t s { 172.16.0.0/12 }", "delete element inet t s { 172.16.0.0/12 }"},
		"a lost element":    {"delete element inet t s { 10.0.0.0/8 }", "add element inet t s { 10.0.0.0/8 }"},
		"no elements":       {"flush set inet t s", "add element inet t s { 10.0.0.0/8, 192.0.2.1-192.0.2.9 }"},
		"sleep":             {"add table inet t { flags dormant; }", "add table inet t"},
		"a map":             {"add map inet t m { type ipv4_addr : verdict; }", "delete set inet t m"},
		"an odd expression": {"add rule inet t c meta time >= 100 counter", "delete rule inet t c handle "},
	} {
		t.Run(what, func(t *testing.T) {
			text := c.edit
			for i, handle := range handles(loadFrom(t, ns), "c") {
				text = strings.ReplaceAll(text, "%"+decimals([]uint16{uint16(i)})[0], decimals([]uint16{uint16(handle)})[0])
			}
			require.NoError(t, ns.NFT(ctx, text))
			before, _ := batchBetween(t, loadFrom(t, ns), s)
			assert.Contains(t, before.String(), c.plan)
			move(t, ns, s)
		})
	}
}

// A table that sleeps is woken; if its chains change too, it is replaced.
func TestDormantTables(t *testing.T) {
	ns := testns.NewT(t, "dormant")
	move(t, ns, chainOf(toPort(1)))
	require.NoError(t, ns.NFT(testContext(t), "add table inet t { flags dormant; }"))
	assert.Equal(t, "add table inet t\n", move(t, ns, chainOf(toPort(1))).String())
	require.NoError(t, ns.NFT(testContext(t), "add table inet t { flags dormant; }"))
	s := chainOf(toPort(1))
	s.Tables[0].Chains = append(s.Tables[0].Chains, Chain{Name: "d", Hook: Input})
	p := move(t, ns, s)
	assert.Equal(t, "delete table inet t", p.Operations()[0].String())
	assert.Contains(t, p.Operations()[0].Reason, "someone made it dormant")
}

// TestHalvesOfIntervals puts a beginning alone into a set, as kernels take it: it cannot be deleted as an interval, and the set is mended.
func TestHalvesOfIntervals(t *testing.T) {
	ns := testns.NewT(t, "halves")
	s := &Spec{Tables: []Table{{Name: "t", Sets: []Set{{Name: "s", Type: IPv4Addr, Interval: true, Elements: []string{"16.0.0.1", "192.0.2.0/24"}}}}}}
	move(t, ns, s)
	e := newEncoder(nlmsg.Native(), nil)
	e.frame(nlmsg.NFTypeBatchBegin, 0)
	list := e.beginElements(&Operation{Family: Inet, Table: "t"}, nlmsg.NFTMsgNewSetElem, setBody{name: "s"})
	e.element([]byte{16, 0, 0, 0}, 0, false)
	e.element([]byte{16, 0, 0, 2}, nlmsg.SetElemIntervalEnd, false)
	e.b.EndNest(list)
	e.end()
	e.askForAck()
	e.frame(nlmsg.NFTypeBatchEnd, 0)
	e.batch.bytes = e.b.Bytes()
	require.NoError(t, commit(t, ns, e.batch))
	p := move(t, ns, s)
	assert.Equal(t, "flush set inet t s\nadd element inet t s { 16.0.0.1, 192.0.2.0/24 }\n", p.String())
	assert.Contains(t, p.Operations()[0].Reason, "halves of intervals")
}

// TestPlanIsNFT gives the text of plans to nft instead of sending their batches, and comes to the same.
func TestPlanIsNFT(t *testing.T) {
	ns := testns.NewT(t, "text")
	with := func(elements []string, rules ...Rule) *Spec {
		s := chainOf(rules...)
		s.Tables[0].Sets = []Set{{Name: "s", Type: IPv4Addr, Interval: true, Elements: elements}, {Name: "n", Type: IfName, Interval: true, Elements: []string{"ppp*", "eth0"}}}
		return s
	}
	dropping := with(nil, toPort(1))
	dropping.Tables[0].Chains[0].Policy = VerdictDrop
	moved := with(nil, toPort(1))
	moved.Tables[0].Chains[0].Priority = "5"
	moved.Tables[0].Sets[1].Elements = []string{"ppp*", "wan*"} // nft 1.0 finds no "ppp*" to delete
	for _, s := range []*Spec{
		with([]string{"10.0.0.0/8"}, toPort(1), toPort(2), toPort(3)), with([]string{"10.0.0.0/9", "192.0.2.1-192.0.2.5"}, toPort(3), R(IPSaddr.In("s"), Drop()).Note("x"), toPort(1), toPort(4)),
		with(nil, toPort(1)), dropping, moved, {Tables: []Table{{Name: "t", Chains: []Chain{{Name: "r"}}}}}, {},
	} {
		p, _ := batchBetween(t, loadFrom(t, ns), s)
		require.NoError(t, ns.NFT(testContext(t), p.String()), "%s", p)
		left, _ := batchBetween(t, loadFrom(t, ns), s)
		assert.Empty(t, left.String(), "after\n%s", p)
	}
}

// Stateful objects are not ours to read; that they are there is told.
func TestForeignObjectsAreTold(t *testing.T) {
	ns, s := testns.NewT(t, "objects"), chainOf(toPort(1), R(TCPDport.Is(2, 3)))
	s.Tables[0].Sets = []Set{{Name: "s", Type: InetService}}
	move(t, ns, s)
	p, _ := batchBetween(t, loadFrom(t, ns), s)
	assert.Empty(t, p.Warnings())
	require.NoError(t, ns.NFT(testContext(t), "add counter inet t x; add quota inet t y { 10 mbytes }"))
	p, _ = batchBetween(t, loadFrom(t, ns), s)
	assert.True(t, p.Empty())
	require.Len(t, p.Warnings(), 1)
	assert.Contains(t, p.Warnings()[0], "table inet t holds 2 stateful objects")
}

func TestSetsChangeByElements(t *testing.T) {
	ns := testns.NewT(t, "elements")
	with := func(interval bool, elements ...string) *Spec {
		return &Spec{Tables: []Table{{Name: "t", Sets: []Set{{Name: "s", Type: IPv4Addr, Interval: interval, Elements: elements}},
			Chains: []Chain{{Name: "c", Hook: Forward, Rules: []Rule{R(IPSaddr.In("s"), Drop())}}}}}}
	}
	for _, step := range []struct {
		spec *Spec
		ops  int
	}{
		{with(false), 4},
		{with(false, "192.0.2.1"), 1},
		{with(false, "192.0.2.2", "192.0.2.1"), 1},
		{with(false, "192.0.2.3"), 2},
		{with(true, "192.0.2.3"), 5}, // rule, set, set, elements, rule
		{with(true, "192.0.2.3", "10.0.0.0/8"), 1},
		{with(true, "192.0.2.3", "10.0.0.0/9", "10.128.0.0/9"), 2},
		{with(true, "192.0.2.3", "10.0.0.0-10.200.0.0", "10.200.0.1-10.255.255.255"), 2},
		{with(true, "0.0.0.0/8", "255.0.0.0/8"), 2},
		{with(true, "0.0.0.0/8", "224.0.0.0/3"), 2},
		{with(true), 1},
		{with(true), 0},
		{with(true, "10.0.0.0/8"), 1},
	} {
		assert.Len(t, move(t, ns, step.spec).Operations(), step.ops, "%+v", step.spec.Tables[0].Sets)
	}
	names := func(elements ...string) *Spec {
		return &Spec{Tables: []Table{{Name: "t", Sets: []Set{{Name: "s", Type: IfName, Interval: true, Elements: elements}}}}}
	}
	move(t, ns, names("eth0", "ppp*", "wan*"))
	assert.Equal(t, "delete element inet t s { \"eth0\", \"ppp*\" }\nadd element inet t s { \"lan*\" }\n", move(t, ns, names("lan*", "wan*")).String())
}

func TestChainsChange(t *testing.T) {
	ns := testns.NewT(t, "chains")
	base := func(priority, policy string, more ...Chain) *Spec {
		c := Chain{Name: "c", Hook: Forward, Priority: "10", Policy: Verdict(policy), Rules: []Rule{toPort(1), R(Jump("r"))}}
		return &Spec{Tables: []Table{{Name: "t", Chains: append([]Chain{c, {Name: "r", Rules: []Rule{toPort(2), toPort(3)}}}, more...)}}}
	}
	move(t, ns, base("10", "accept"))
	p := move(t, ns, base("10", "drop"))
	assert.Equal(t, "add chain inet t c { type filter hook forward priority filter + 10; policy drop; }\n", p.String())
	p = move(t, ns, base("10", "drop", Chain{Name: "x", Rules: []Rule{R(Goto("r"))}}))
	assert.Len(t, p.Operations(), 2)

	s := base("10", "drop") // the chains change places: r leads to c
	s.Tables[0].Chains[1] = Chain{Name: "r", Hook: Forward, Rules: []Rule{R(Jump("c"))}}
	s.Tables[0].Chains[0] = Chain{Name: "c", Rules: []Rule{toPort(1)}}
	move(t, ns, s)
	move(t, ns, base("10", "accept"))

	s = base("10", "accept") // two regular chains change who leads to whom
	s.Tables[0].Chains = append(s.Tables[0].Chains, Chain{Name: "a", Rules: []Rule{R(Jump("b"))}}, Chain{Name: "b", Rules: []Rule{toPort(4)}})
	move(t, ns, s)
	s.Tables[0].Chains[2].Rules, s.Tables[0].Chains[3].Rules = []Rule{toPort(4)}, []Rule{R(Jump("a"))}
	move(t, ns, s)
}
