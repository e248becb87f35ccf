package ruleset

import (
	"encoding/binary"
	"fmt"
	"testing"
)

// tenThousand is a table of 10,000 rules of three matches and two actions each.
func tenThousand() *Spec {
	c := Chain{Name: "c", Hook: Forward}
	for i := range 10_000 {
		c.Rules = append(c.Rules, R(CTState.Is(Established), IPSaddr.Is(fmt.Sprintf("10.0.%d.%d", i>>8, i&0xff)), TCPDport.Is(uint16(i)), Counter(), Accept()))
	}
	return &Spec{Tables: []Table{{Name: "t", Chains: []Chain{c}}}}
}

func benchmarkPlan(b *testing.B, s *Spec) *Plan {
	b.Helper()
	r, err := s.Resolve(nil)
	if err != nil {
		b.Fatal(err)
	}
	p, err := Diff(nil, r)
	if err != nil {
		b.Fatal(err)
	}
	return p
}

// BenchmarkCompile10kRules encodes a plan of 10,000 rules; the allocations of one rule are a ten thousandth.
func BenchmarkCompile10kRules(b *testing.B) {
	p := benchmarkPlan(b, tenThousand())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Batch(binary.LittleEndian); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSpecToBatch10kRules is the whole way: validation, copy, plan, bytes.
func BenchmarkSpecToBatch10kRules(b *testing.B) {
	s := tenThousand()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := benchmarkPlan(b, s).Batch(binary.LittleEndian); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCompile100kElements encodes a set of 100,000 addresses.
func BenchmarkCompile100kElements(b *testing.B) {
	s := Set{Name: "big", Type: IPv4Addr}
	for i := range 100_000 {
		s.Elements = append(s.Elements, fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&0xff, i&0xff))
	}
	p := benchmarkPlan(b, &Spec{Tables: []Table{{Name: "t", Sets: []Set{s}}}})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Batch(binary.LittleEndian); err != nil {
			b.Fatal(err)
		}
	}
}

// TestFewAllocations keeps the encoder below a quarter of google/nftables' 51 allocations a rule.
func TestFewAllocations(t *testing.T) {
	spec := tenThousand()
	spec.Tables[0].Chains[0].Rules = spec.Tables[0].Chains[0].Rules[:1000]
	r, err := spec.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Diff(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	n := testing.AllocsPerRun(5, func() {
		if _, err := p.Batch(binary.LittleEndian); err != nil {
			t.Fatal(err)
		}
	})
	if perRule := n / 1000; perRule > 12 {
		t.Errorf("%.1f allocations a rule, more than 12", perRule)
	}
}

// TestValidateAllocatesLittle: a valid rule costs Validate no memory.
func TestValidateAllocatesLittle(t *testing.T) {
	spec := tenThousand()
	n := testing.AllocsPerRun(2, func() {
		if err := spec.Validate(); err != nil {
			t.Fatal(err)
		}
	})
	if n > 1000 {
		t.Errorf("%.0f allocations for 10,000 rules, more than 1000", n)
	}
}
