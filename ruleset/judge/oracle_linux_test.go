package judge_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
	"github.com/go-fastpath/fastpath/ruleset/judge"
)

// pick chooses one of a list.
func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// match is a random match about a flow, true as often as not.
func match(r *rand.Rand, router *testns.Router, f *testns.Flow, fam testns.Family) ruleset.Statement {
	src, dst := ruleset.IPSaddr, ruleset.IPDaddr
	if fam == testns.IPv6 {
		src, dst = ruleset.IP6Saddr, ruleset.IP6Daddr
	}
	client, server := router.ClientAddr(fam), router.ServerAddr(fam)
	port := f.Tuple().Source.Port()
	is := func(w ruleset.WordField, words ...string) ruleset.Statement {
		if r.IntN(4) == 0 {
			return w.Not(words...)
		}
		return w.Is(words...)
	}
	switch r.IntN(14) {
	case 0, 1:
		return is(pick(r, src, dst), pick(r, client, server, client.Next(), server.Prev(), router.WANAddr(fam)).String())
	case 2:
		p, _ := pick(r, client, server).Prefix(pick(r, 8, 20, 24, 31, client.BitLen()-1))
		return is(pick(r, src, dst), p.String())
	case 3:
		return is(pick(r, src, dst), client.String()+"-"+client.Next().String())
	case 4:
		return is(pick(r, src, dst), server.Next().String(), client.String())
	case 5, 6:
		field := pick(r, ruleset.UDPSport, ruleset.UDPDport, ruleset.TCPSport, ruleset.TCPDport)
		switch r.IntN(4) {
		case 0:
			return field.Between(port-1, port+2)
		case 1:
			return field.Is(port, port+1, 7)
		case 2:
			return field.Not(7007)
		}
		return field.Is(pick(r, port, 7007, 1))
	case 7:
		return is(ruleset.CTState, pick(r, "established", "new", "related", "invalid"))
	case 8:
		return ruleset.CTDirection.Is(pick(r, ruleset.Original, ruleset.Reply))
	case 9:
		return is(pick(r, ruleset.IIFName, ruleset.OIFName), pick(r, router.LANDevice, router.WANDevice, "la*", "eth7"))
	case 10:
		return is(ruleset.CTStatus, pick(r, "assured", "snat", "seen-reply", "confirmed"))
	case 11:
		return pick(r, ruleset.CTMark.Is(0), ruleset.CTMark.HasNot(1, 3), ruleset.CTMark.Is(5, 6))
	case 12:
		return is(ruleset.L4Proto, pick(r, ruleset.TCP, ruleset.UDP))
	}
	return pick(r, ruleset.CTPackets.AtLeast(2), ruleset.CTPackets.Below(2), ruleset.CTOriginalBytes.AtLeast(1))
}

// rule counts what some random matches let through. Those that contradict each other are refused, and others taken.
func rule(r *rand.Rand, router *testns.Router, f *testns.Flow, fam testns.Family) ruleset.Rule {
	for {
		var x ruleset.Rule
		for range 1 + r.IntN(3) {
			x.Do = append(x.Do, match(r, router, f, fam))
		}
		x.Do = append(x.Do, ruleset.Counter())
		if table([]ruleset.Rule{x}).Validate() == nil {
			return x
		}
	}
}

var counted = regexp.MustCompile(`counter packets (\d+) .*comment "(\d+)"`)

// TestJudgeAgainstKernel holds the judge against what a kernel does: rules at random about a masqueraded flow count its packets or
// do not, at each hook on the way, and the judge says the same of each.
func TestJudgeAgainstKernel(t *testing.T) {
	testns.RequireNamespaces(t)
	router := testns.NewRouterT(t, nil)
	m, err := offload.Open(t.Context(), &offload.Config{NetNS: router.NS.Path()})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, m.Close()) })
	watcher, err := conntrack.Open(t.Context(), &conntrack.Config{NetNS: router.NS.Path()})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, watcher.Close()) })
	nat := ruleset.Table{Name: "nat", Chains: []ruleset.Chain{{Name: "c", Type: ruleset.NATChain, Hook: ruleset.Postrouting, Priority: "srcnat",
		Rules: []ruleset.Rule{ruleset.R(ruleset.OIFName.Is(router.WANDevice), ruleset.Masquerade())}}}}
	_, err = m.Reconcile(t.Context(), &ruleset.Spec{Tables: []ruleset.Table{nat}})
	require.NoError(t, err)
	for _, hook := range []ruleset.Chain{
		{Name: "c", Hook: ruleset.Forward},
		{Name: "c", Hook: ruleset.Prerouting, Priority: "raw + 200"}, // connections are tracked from -200 on
		{Name: "c", Hook: ruleset.Prerouting},
		{Name: "c", Hook: ruleset.Postrouting},
		{Name: "c", Hook: ruleset.Postrouting, Priority: "srcnat + 50"},
	} {
		for _, fam := range testns.Families() {
			for _, network := range []string{"tcp", "udp"} {
				t.Run(fmt.Sprintf("%s %s/%s/%s", hook.Hook, hook.Priority, network, fam), func(t *testing.T) {
					holdAgainstKernel(t, router, m, watcher, nat, hook, network, fam)
				})
			}
		}
	}
}

func holdAgainstKernel(t *testing.T, router *testns.Router, m *offload.Manager, w *conntrack.Watcher, nat ruleset.Table, hook ruleset.Chain, network string, fam testns.Family) {
	f := router.DialT(t, network, fam)
	talk := func() {
		_, err := f.RoundTrip(t.Context(), 3, 100)
		require.NoError(t, err)
	}
	talk()
	r := rand.New(rand.NewPCG(uint64(network[0])+uint64(len(hook.Priority)), uint64(router.ClientAddr(fam).BitLen())+uint64(len(hook.Hook))))
	const rules = 200
	many := ruleset.Chain{Name: "many"}
	for i := range rules {
		many.Rules = append(many.Rules, rule(r, router, f, fam).Note(fmt.Sprint(i)))
	}
	entry, port := hook, router.Echo.Port() // other packets pass by: neighbours are looked for, groups are joined
	entry.Rules = []ruleset.Rule{
		ruleset.R(ruleset.L4Proto.Is(ruleset.TCP, ruleset.UDP), ruleset.THDport.Is(port), ruleset.Jump("many")),
		ruleset.R(ruleset.L4Proto.Is(ruleset.TCP, ruleset.UDP), ruleset.THSport.Is(port), ruleset.Jump("many")),
	}
	_, err := m.Reconcile(t.Context(), &ruleset.Spec{Tables: []ruleset.Table{nat, {Name: "many", Chains: []ruleset.Chain{entry, many}}}})
	require.NoError(t, err)
	flow := judged(t, w, f, router)
	talk()
	text, err := router.NS.Run(t.Context(), "", "nft", "list", "chain", "inet", "many", "many")
	require.NoError(t, err)
	found := counted.FindAllStringSubmatch(text, -1)
	require.Len(t, found, rules)
	matched, nothing := 0, wanted(t, &ruleset.Spec{})
	for i, c := range found {
		drop, do := hook, many.Rules[i].Do
		drop.Rules = []ruleset.Rule{{Do: append(do[:len(do)-1:len(do)-1], ruleset.Drop())}}
		spec := &ruleset.Spec{Tables: []ruleset.Table{{Name: "one", Chains: []ruleset.Chain{drop}}}}
		says := judge.NewChange(nothing, wanted(t, spec), nil).Judge(&flow)
		assert.Equal(t, c[1] != "0", says.Evict, "the kernel: %s; the judge: %+v; %s", c[0], says, commands(t, spec))
		if c[1] != "0" {
			matched++
		}
	}
	t.Logf("%d of %d rules matched", matched, rules)
	assert.Greater(t, matched, rules/10)
	assert.Less(t, matched, rules-rules/10)
}

// commands are a Spec as nft takes it.
func commands(t *testing.T, spec *ruleset.Spec) string {
	t.Helper()
	resolved, err := spec.Resolve(nil)
	require.NoError(t, err)
	plan, err := ruleset.Diff(nil, resolved)
	require.NoError(t, err)
	return plan.String()
}

// judged is a flow as its entry tells it.
func judged(t *testing.T, w *conntrack.Watcher, f *testns.Flow, router *testns.Router) judge.Flow {
	t.Helper()
	tuple := f.Tuple()
	for e, err := range w.Entries(t.Context(), conntrack.Match{Tuple: conntrack.Tuple{Src: tuple.Source, Dst: tuple.Destination}}) {
		require.NoError(t, err)
		devices := map[netip.Addr]string{tuple.Source.Addr(): router.LANDevice, tuple.Destination.Addr(): router.WANDevice}
		near, far := devices[e.Orig.Src.Addr()], devices[e.Reply.Src.Addr()]
		return judge.Flow{
			Protocol: e.Orig.Proto,
			Tuples:   [2]judge.Tuple{{Src: e.Orig.Src, Dst: e.Orig.Dst}, {Src: e.Reply.Src, Dst: e.Reply.Dst}},
			Carried:  [2]judge.Meter{{Packets: e.Sent.Packets, Bytes: e.Sent.Bytes}, {Packets: e.Received.Packets, Bytes: e.Received.Bytes}},
			Counted:  e.Sent.OK, Mark: e.Mark, Status: uint32(e.Status),
			In: [2]string{near, far}, Out: [2]string{far, near},
		}
	}
	t.Fatalf("conntrack has no entry of %v", f)
	return judge.Flow{}
}
