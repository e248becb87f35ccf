package main

import (
	"net/netip"
	"slices"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/ruleset"
)

const (
	rules    = 10_000
	elements = 100_000
)

// ruleSpec is a table of rules of three matches and two actions each, all different.
func ruleSpec() *ruleset.Spec {
	c := ruleset.Chain{Name: "c", Hook: ruleset.Forward}
	for i := range rules {
		c.Rules = append(c.Rules, rule(i, uint16(i)))
	}
	return &ruleset.Spec{Tables: []ruleset.Table{{Name: "t", Chains: []ruleset.Chain{c}}}}
}

func rule(i int, port uint16) ruleset.Rule {
	return ruleset.R(ruleset.CTState.Is(ruleset.Established), ruleset.IPSaddr.Is(address(i).String()), ruleset.TCPDport.Is(port),
		ruleset.Counter(), ruleset.Accept())
}

// withRule is the Spec with one rule of its only chain changed.
func withRule(s *ruleset.Spec, i int, r ruleset.Rule) *ruleset.Spec {
	table := s.Tables[0]
	table.Chains = slices.Clone(table.Chains)
	table.Chains[0].Rules = slices.Clone(table.Chains[0].Rules)
	table.Chains[0].Rules[i] = r
	return &ruleset.Spec{Tables: []ruleset.Table{table}}
}

// elementSpec is a table with one set of addresses, from the first on.
func elementSpec(first int) *ruleset.Spec {
	set := ruleset.Set{Name: "big", Type: ruleset.IPv4Addr}
	for i := range elements {
		set.Elements = append(set.Elements, address(first+i).String())
	}
	return &ruleset.Spec{Tables: []ruleset.Table{{Name: "t", Sets: []ruleset.Set{set}}}}
}

// flowtableSpec is a table with a flowtable of devices.
func flowtableSpec(devices []string) *ruleset.Spec {
	f := flowtable.Spec{Name: "fast"}
	for _, name := range devices {
		f.Devices = append(f.Devices, flowtable.Selector{Name: name})
	}
	return &ruleset.Spec{Tables: []ruleset.Table{{Name: "t", Flowtables: []flowtable.Spec{f}}}}
}

// address is the i-th of 10.0.0.0/8.
func address(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}
