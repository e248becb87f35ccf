package ruleset

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// follow applies s and brings what was loaded forward by the echoes alone.
func follow(t *testing.T, ns *testns.Namespace, have *Loaded, s *Spec) *Loaded {
	t.Helper()
	p, b := batchBetween(t, have, s)
	list := commitEchoes(t, ns, b)
	now, ok := p.After(have, list, have.Generation()+1)
	require.True(t, ok, "after\n%s", p)
	return now
}

// TestAfter follows changes of rules and elements by what the kernel echoes, and compares with a dump each time.
func TestAfter(t *testing.T) {
	ns := testns.NewT(t, "after")
	with := func(elements []string, rules ...Rule) *Spec {
		s := chainOf(rules...)
		s.Tables[0].Sets = []Set{{Name: "s", Type: IPv4Addr, Interval: true, Elements: elements}}
		s.Tables = append(s.Tables, Table{Name: "u", Family: IP, Chains: []Chain{{Name: "c", Hook: Input, Rules: rules[:1]}}})
		return s
	}
	list := R(TCPDport.Is(5, 6, 7), Drop()).Note("a list")
	steps := []*Spec{
		with([]string{"10.0.0.0/8"}, toPort(1), toPort(2), toPort(3)),
		with([]string{"10.0.0.0/8"}, toPort(1), toPort(22), toPort(3)),
		with([]string{"10.0.0.0/9", "192.0.2.1"}, list, toPort(22), toPort(3), toPort(4)),
		with([]string{"192.0.2.1"}, list, toPort(3), toPort(22), toPort(4), list),
		with(nil, R(TCPDport.Is(5, 6, 8), Drop()), toPort(22), R(IPSaddr.In("s"), Counter())),
		with([]string{"0.0.0.0/1"}, toPort(1)),
		with(nil, toPort(1), toPort(1), list),
	}
	move(t, ns, steps[0])
	switchOff(t, ns)
	have := loadFrom(t, ns)
	for _, s := range steps[1:] {
		have = follow(t, ns, have, s)
		want := loadFrom(t, ns)
		assert.Equal(t, want.Generation(), have.Generation())
		compareLoaded(t, want, have)
		again, err := Load("", func(yield func(Message, error) bool) {
			for m := range have.Messages() {
				if !yield(m, nil) {
					return
				}
			}
		})
		require.NoError(t, err)
		assert.False(t, again.Torn())
		compareLoaded(t, want, again)
		p, _ := batchBetween(t, have, s)
		assert.Empty(t, p.String())
	}
}

// switchOff leaves a mark of Off in a kernel, and a table that looks like one.
func switchOff(t *testing.T, ns *testns.Namespace) {
	t.Helper()
	require.NoError(t, ns.NFT(testContext(t), "table inet fastpath_off_x { comment \"looks like a mark\"; }"))
	p, err := SwitchOff(loadFrom(t, ns), "another", "2026-01-02T03:04:05Z")
	require.NoError(t, err)
	b, err := p.Batch(nil)
	require.NoError(t, err)
	commitEchoes(t, ns, b)
	_, off := loadFrom(t, ns).Off("another")
	require.True(t, off)
}

// compareLoaded compares what is known of chains, flowtables, rules and sets, whatever the order of the anonymous ones.
func compareLoaded(t *testing.T, want, got *Loaded) {
	t.Helper()
	type rule struct {
		chain, comment string
		handle         uint64
		id             identity
		body           digest
		expressions    string
	}
	rules := func(l *Loaded) (list []rule) {
		for _, f := range []Family{Inet, IP} {
			for _, r := range l.rules {
				if r.Family == f {
					list = append(list, rule{string(f) + r.Table + r.Chain, r.Comment, r.Handle, r.identity, r.body, string(r.Expressions)})
				}
			}
		}
		return list
	}
	sets := func(l *Loaded) (list []string) {
		for i := range l.sets {
			list = append(list, l.sets[i].Name)
			list = append(list, l.sets[i].Elements()...)
		}
		slices.Sort(list)
		return list
	}
	assert.Equal(t, want.tables, got.tables)
	assert.Equal(t, want.marks, got.marks)
	assert.Equal(t, want.ignored, got.ignored)
	assert.Equal(t, want.Chains(), got.Chains())
	assert.Equal(t, want.Flowtables(), got.Flowtables())
	assert.Equal(t, rules(want), rules(got))
	assert.Equal(t, sets(want), sets(got))
}
