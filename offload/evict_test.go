package offload_test

import (
	"context"
	"errors"
	"iter"
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

// firewall offloads what is established, behind these rules, and has a live set of slow addresses.
func firewall(rules ...ruleset.Rule) *ruleset.Spec {
	spec := elephants(flowtable.HardwareOff)
	t := &spec.Tables[0]
	t.Sets = []ruleset.Set{{Name: "slow", Type: ruleset.IPv4Addr, Interval: true, Live: true}}
	t.Chains[0].Rules = append(slices.Clone(rules),
		ruleset.R(ruleset.IPDaddr.In("slow"), ruleset.Return()),
		ruleset.R(ruleset.IPSaddr.In("slow"), ruleset.Return()),
		ruleset.R(ruleset.CTState.Is(ruleset.Established), ruleset.FlowAdd("fast")))
	return spec
}

// flow is a TCP connection to a port of 203.0.113.2, in the fast path or not.
func flow(kernel *offloadtest.Kernel, port uint16, status conntrack.Status) conntrack.Entry {
	return kernel.AddFlow(conntrack.Entry{
		Orig: conntrack.Tuple{
			Src: netip.AddrPortFrom(netip.MustParseAddr("192.168.1.2"), 4000+port),
			Dst: netip.AddrPortFrom(netip.MustParseAddr("203.0.113.2"), port), Proto: conntrack.TCP,
		},
		Status: status | conntrack.SeenReply | conntrack.Assured | conntrack.Confirmed,
	})
}

// ports are those of the connections that are left.
func ports(t *testing.T, kernel *offloadtest.Kernel) []uint16 {
	t.Helper()
	var list []uint16
	for e, err := range kernel.Conntrack().Dump(t.Context(), conntrack.Match{}) {
		require.NoError(t, err)
		list = append(list, e.Orig.Dst.Port())
	}
	slices.Sort(list)
	return list
}

func applySpec(t *testing.T, m *offload.Manager, spec *ruleset.Spec) {
	t.Helper()
	_, err := m.Reconcile(t.Context(), spec)
	require.NoError(t, err)
}

func dropPort(port uint16) ruleset.Rule { return ruleset.R(ruleset.TCPDport.Is(port), ruleset.Drop()) }

// A new drop evicts the flows in the fast path that it is about, and no others.
func TestApplyEvicts(t *testing.T) {
	m, kernel := onFake(t, nil, nil)
	applySpec(t, m, firewall())
	for _, port := range []uint16{22, 80, 443} {
		flow(kernel, port, conntrack.Offload)
	}
	flow(kernel, 8022, 0) // in the slow path it meets the rule itself

	applySpec(t, m, firewall(ruleset.R(ruleset.TCPDport.Is(23), ruleset.Drop()), ruleset.R(ruleset.Counter())))
	assert.Equal(t, []uint16{22, 80, 443, 8022}, ports(t, kernel), "nothing about them")

	plan, err := m.Plan(t.Context(), firewall(ruleset.R(ruleset.TCPDport.Is(22, 80, 8022), ruleset.Drop()).Note("closed")))
	require.NoError(t, err)
	victims, err := m.Victims(t.Context(), plan)
	require.NoError(t, err)
	require.Len(t, victims, 2)
	assert.Equal(t, `a rule in chain inet fw forward ("closed") drops it`, victims[0].Why)
	assert.Empty(t, victims[0].Risk)
	assert.Equal(t, []uint16{22, 80, 443, 8022}, ports(t, kernel), "Victims evicts nobody")
	_, err = m.Apply(t.Context(), plan)
	require.NoError(t, err)
	assert.Equal(t, []uint16{443, 8022}, ports(t, kernel))

	applySpec(t, m, &ruleset.Spec{})
	assert.Equal(t, []uint16{443, 8022}, ports(t, kernel), "with the flowtable its flows go back by themselves")
}

// An exclusion evicts too: by a rule, by an element of a live set, and not when it is lifted.
func TestExclusionsEvict(t *testing.T) {
	m, kernel := onFake(t, nil, nil)
	applySpec(t, m, firewall())
	set := offload.LiveSet{Table: "fw", Set: "slow"}
	flow(kernel, 80, conntrack.Offload)
	_, err := m.AddElements(t.Context(), set, "198.51.100.0/24")
	require.NoError(t, err)
	assert.Equal(t, []uint16{80}, ports(t, kernel))
	generation, err := m.AddElements(t.Context(), set, "203.0.113.0/24")
	require.NoError(t, err)
	assert.Equal(t, kernel.Generation(), generation)
	assert.Empty(t, ports(t, kernel))

	again, err := m.AddElements(t.Context(), set, "203.0.113.0/24")
	require.NoError(t, err)
	assert.Equal(t, generation, again, "it is there: nothing is committed")
	flow(kernel, 80, conntrack.Offload)
	_, err = m.DeleteElements(t.Context(), set, "203.0.113.0/24", "10.0.0.1")
	require.NoError(t, err)
	assert.Equal(t, []uint16{80}, ports(t, kernel))
	applySpec(t, m, firewall(ruleset.R(ruleset.L4Proto.Is(ruleset.TCP), ruleset.Return())))
	assert.Empty(t, ports(t, kernel))

	_, err = m.AddElements(t.Context(), offload.LiveSet{Owner: "someone", Table: "fw", Set: "slow"}, "10.0.0.1")
	require.ErrorIs(t, err, offload.ErrForeign)
	_, err = m.AddElements(t.Context(), offload.LiveSet{Table: "fw", Set: "none"}, "10.0.0.1")
	require.ErrorContains(t, err, "has no set none")
}

func TestNoEvict(t *testing.T) {
	m, kernel := onFake(t, nil, &offload.Config{NoEvict: true})
	applySpec(t, m, firewall())
	flow(kernel, 22, conntrack.Offload)
	applySpec(t, m, firewall(dropPort(22)))
	assert.Equal(t, []uint16{22}, ports(t, kernel))
}

// What may break is told before.
func TestVictimsTellRisks(t *testing.T) {
	m, kernel := onFake(t, nil, nil)
	applySpec(t, m, firewall())
	e := flow(kernel, 22, conntrack.Offload)
	plan, err := m.Plan(t.Context(), firewall(dropPort(22)))
	require.NoError(t, err)
	e.Reply.Dst = netip.MustParseAddrPort("198.51.100.1:4022")
	kernel.SetFlow(e)
	victims, err := m.Victims(t.Context(), plan)
	require.NoError(t, err)
	require.Len(t, victims, 1)
	assert.Contains(t, victims[0].Risk, "translated")
	kernel.SetSysctl("net.netfilter.nf_conntrack_tcp_loose", "0")
	victims, err = m.Victims(t.Context(), plan)
	require.NoError(t, err)
	assert.Contains(t, victims[0].Risk, "tcp_loose is 0")
}

// stubborn are connections that cannot be deleted, or not be read.
type stubborn struct {
	conntrack.Source
	delete, dump error
}

func (s *stubborn) Delete(context.Context, conntrack.Key) error { return s.delete }

func (s *stubborn) Dump(ctx context.Context, m conntrack.Match) iter.Seq2[conntrack.Entry, error] {
	if s.dump != nil {
		return func(yield func(conntrack.Entry, error) bool) { yield(conntrack.Entry{}, s.dump) }
	}
	return s.Source.Dump(ctx, m)
}

// A plan whose flows cannot be evicted is in force, and the error says so; one whose flows cannot be read is not begun.
func TestApplyThatCannotEvict(t *testing.T) {
	kernel := offloadtest.New(t, nil)
	source := &stubborn{Source: kernel.Conntrack()}
	m, err := offload.Open(t.Context(), &offload.Config{Kernel: kernel, Conntrack: source})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, m.Close()) })
	applySpec(t, m, firewall())
	flow(kernel, 22, conntrack.Offload)

	source.delete = errors.New("no way")
	done, err := m.Reconcile(t.Context(), firewall(dropPort(22)))
	require.ErrorIs(t, err, offload.ErrNotEvicted)
	require.ErrorContains(t, err, "no way")
	assert.Equal(t, kernel.Generation(), done.Generation)

	source.dump = errors.New("unreadable")
	before := kernel.Generation()
	_, err = m.Reconcile(t.Context(), firewall(dropPort(80)))
	require.ErrorContains(t, err, "unreadable")
	require.ErrorContains(t, err, "NoEvict")
	assert.Equal(t, before, kernel.Generation())

	source.dump = errors.ErrUnsupported
	_, err = m.Reconcile(t.Context(), firewall(dropPort(80)))
	require.NoError(t, err, "no ctnetlink: nobody can evict")
	assert.NotEqual(t, before, kernel.Generation())
}
