package replay_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/ruleset"
)

// routerSpec declares a table with sets, chains and rules, and a flowtable if devices are named.
func routerSpec(devices ...string) *ruleset.Spec {
	t := ruleset.Table{
		Name: "router",
		Sets: []ruleset.Set{{Name: "slow", Type: ruleset.IPv4Addr, Interval: true, Elements: []string{"192.0.2.0/24", "198.51.100.7"}}},
		Chains: []ruleset.Chain{{Name: "forward", Hook: ruleset.Forward, Rules: []ruleset.Rule{
			ruleset.R(ruleset.IPDaddr.In("slow"), ruleset.Accept()).Note("measured"),
			ruleset.R(ruleset.CTState.Is(ruleset.Established), ruleset.L4Proto.Is(ruleset.TCP, ruleset.UDP), ruleset.Counter()),
			ruleset.R(ruleset.MetaMark.Has(0x10, 0xff), ruleset.Jump("marked")),
		}}, {Name: "marked"}},
	}
	if devices != nil {
		t.Flowtables = []flowtable.Spec{{Name: "fast", Devices: selectors(devices)}}
		t.Chains[0].Rules = append(t.Chains[0].Rules, ruleset.R(ruleset.L4Proto.Is(ruleset.TCP, ruleset.UDP), ruleset.FlowAdd("fast")))
	}
	return &ruleset.Spec{Tables: []ruleset.Table{t}}
}

func selectors(devices []string) []flowtable.Selector {
	var list []flowtable.Selector
	for _, d := range devices {
		if n := len(d) - 1; d[n] == '*' {
			list = append(list, flowtable.Selector{Prefix: d[:n]})
		} else {
			list = append(list, flowtable.Selector{Name: d})
		}
	}
	return list
}

// manyRules declares a chain of n rules.
func manyRules(n int) *ruleset.Spec {
	c := ruleset.Chain{Name: "c", Hook: ruleset.Forward}
	for i := range n {
		c.Rules = append(c.Rules, ruleset.R(ruleset.IPSaddr.Is(fmt.Sprintf("10.0.%d.%d", i>>8&0xff, i&0xff)), ruleset.TCPDport.Is(uint16(i)), ruleset.Counter()))
	}
	return &ruleset.Spec{Tables: []ruleset.Table{{Name: "many", Chains: []ruleset.Chain{c}}}}
}

func resolved(t testing.TB, s *ruleset.Spec) *ruleset.Resolved {
	t.Helper()
	r, err := s.Resolve(nil)
	require.NoError(t, err)
	return r
}

// imageOf is the image of a Spec for one byte order; nil is this machine's.
func imageOf(t testing.TB, s *ruleset.Spec, order binary.ByteOrder) []byte {
	t.Helper()
	image, err := resolved(t, s).Image(order)
	require.NoError(t, err)
	return image
}

// batchOf is the marshalled batch of a Spec for an empty kernel.
func batchOf(t testing.TB, s *ruleset.Spec, order binary.ByteOrder) []byte {
	t.Helper()
	p, err := ruleset.Diff(nil, resolved(t, s))
	require.NoError(t, err)
	b, err := p.Batch(order)
	require.NoError(t, err)
	data, err := b.MarshalBinary()
	require.NoError(t, err)
	return data
}
