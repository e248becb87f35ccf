package ruleset

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

func ofCode(findings []Finding, code string) []Finding {
	return slices.DeleteFunc(slices.Clone(findings), func(f Finding) bool { return f.Code != code })
}

func TestOverlap(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"eth0", "eth0", true}, {"eth0", "eth1", false}, {"eth*", "eth0", true}, {"eth0", "eth*", true}, {"eth*", "et*", true},
		{"eth*", "ppp*", false}, {"*", "lo", true}, {"eth0", "eth", false}, {"eth", "eth0", false},
	} {
		assert.Equal(t, c.want, overlap(c.a, c.b), "%s %s", c.a, c.b)
		assert.Equal(t, c.want, overlap(c.b, c.a), "%s %s", c.b, c.a)
	}
}

// anyWay is all that is known without a Target.
func anyWay() *passage { return &passage{carried: &carried{}, family: IP} }

// TestTraits reads rules as this package encodes them.
func TestTraits(t *testing.T) {
	for text, c := range map[string]struct {
		rule Rule
		want traits
	}{
		"accepts established":  {R(CTState.Is(Established, Related), Counter(), Accept()), traits{meets: true, varies: true, all: true, ends: true, lets: true, effects: []string{"counter"}}},
		"drops invalid":        {R(CTState.Is("invalid"), Drop()), traits{meets: false, varies: true, all: true, ends: true, effects: []string{"drop"}}},
		"accepts one device":   {R(IIFName.Is("lan0"), Accept()), traits{meets: true, ends: true, lets: true}},
		"marks":                {R(MetaMark.Set(1, 1)), traits{meets: true, varies: true, all: true, effects: []string{"mark set"}}},
		"marks all bits":       {R(MetaMark.Set(1, 1<<32-1)), traits{meets: true, varies: true, all: true, effects: []string{"mark set"}}},
		"marks the connection": {R(CTMark.Set(1, 1)), traits{meets: true, varies: true, all: true, effects: []string{"ct mark set"}}},
		"new ones alone":       {R(CTState.Is(New), TCPDport.Is(22), Log("x")), traits{meets: false, varies: true, effects: []string{"log"}}},
		"drops all but new":    {R(CTState.Not(New), Drop()), traits{meets: true, varies: true, all: true, ends: true, effects: []string{"drop"}}},
		"drops all but ours":   {R(CTState.Not(Established), Drop()), traits{meets: false, varies: true, all: true, ends: true, effects: []string{"drop"}}},
		"ICMP alone":           {R(L4Proto.Is("icmp"), Limit(5, "second"), Accept()), traits{meets: false, varies: true, ends: true, lets: true, effects: []string{"limit"}}},
		"jumps":                {R(Jump("x")), traits{meets: true, all: true, target: "x"}},
		"goes":                 {R(Goto("x")), traits{meets: true, all: true, target: "x", leaves: true}},
		"returns":              {R(Return()), traits{meets: true, all: true, returns: true}},
		"a range":              {R(TCPDport.Between(1, 5), Drop()), traits{meets: true, ends: true, effects: []string{"drop"}}},
	} {
		t.Run(text, func(t *testing.T) {
			e := newEncoder(nlmsg.Native(), nil)
			op := Operation{Verb: VerbAdd, Kind: KindRule, Family: Inet, Table: "x", Name: "c"}
			e.addRule(&op, &c.rule)
			require.NoError(t, e.err)
			assert.Equal(t, c.want, traitsOf(nlmsg.Native(), e.expressions, anyWay()))
		})
	}
}

// TestTraitsOfCompat reads the state match of iptables-nft.
func TestTraitsOfCompat(t *testing.T) {
	info := func(flags, invert, state uint16) []byte {
		b := make([]byte, 168)
		binary.LittleEndian.PutUint16(b[146:], flags)
		binary.LittleEndian.PutUint16(b[148:], invert)
		binary.LittleEndian.PutUint16(b[150:], state)
		return b
	}
	for _, c := range []struct {
		name       string
		info       []byte
		meets, all bool
	}{
		{"conntrack", info(1, 0, 6), true, true},
		{"conntrack", info(1, 0, 1), false, true},
		{"conntrack", info(1, 1, 1), true, true},
		{"conntrack", info(1, 1, 2), false, true},
		{"conntrack", info(3, 0, 6), true, false},
		{"conntrack", info(2, 0, 1), true, false},
		{"conntrack", []byte{1}, true, false},
		{"comment", nil, true, true},
		{"multiport", nil, true, false},
	} {
		got := traitsOf(nlmsg.LittleEndian, expressionBytes("match", map[uint16][]byte{compatName: append([]byte(c.name), 0), compatInfo: c.info}), anyWay())
		assert.Equal(t, traits{meets: c.meets, all: c.all, varies: true}, got, "%s %x", c.name, c.info)
	}
	for name, effects := range map[string][]string{"MARK": {"MARK"}, "TCPMSS": nil, "NFQUEUE": {"NFQUEUE"}, "MASQUERADE": nil} {
		got := traitsOf(nlmsg.LittleEndian, expressionBytes("target", map[uint16][]byte{compatName: append([]byte(name), 0)}), anyWay())
		assert.Equal(t, effects, got.effects, name)
	}
}

// TestNothingConflicts: without flowtables nothing is skipped, and what nobody holds stands in no way.
func TestNothingConflicts(t *testing.T) {
	r := resolved(t, oneTable(Table{Name: "x", Chains: []Chain{{Name: "forward", Hook: Forward}}}))
	assert.Empty(t, r.Conflicts(nil))
	assert.Empty(t, r.Conflicts(&Loaded{}))
	assert.Empty(t, resolved(t, oneTable(Table{Name: "x", Flowtables: []flowtable.Spec{{Name: "f"}}})).Conflicts(&Loaded{}))
}

// FuzzTraits holds the reader of foreign rules to: no panic whatever comes.
func FuzzTraits(f *testing.F) {
	for _, l := range loadSeeds(f) {
		f.Add(l.Data)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = traitsOf(nlmsg.LittleEndian, b, anyWay())
		_ = traitsOf(nlmsg.BigEndian, b, anyWay())
		if c, err := cutRule(nlmsg.LittleEndian, b); err == nil && len(c.expressions) > len(b) {
			t.Fatal("a cut rule is longer than before")
		}
	})
}

// TestConflictsOfTables: a table of ours that a socket owns, and one with objects that this library does not make.
func TestConflictsOfTables(t *testing.T) {
	have := &Loaded{tables: []LoadedTable{
		{Family: Inet, Name: "a", Owner: DefaultOwner, Flags: tableOwned}, {Family: Inet, Name: "b", Owner: DefaultOwner, Use: 2},
		{Family: Inet, Name: "c", Owner: "other", Flags: tableOwned, Use: 2}, {Family: Inet, Name: "d", Flags: tableOwned, Use: 2},
	}}
	have.index()
	findings := resolved(t, oneTable(Table{Name: "a", Flowtables: []flowtable.Spec{{Name: "f"}}})).Conflicts(have)
	require.Len(t, findings, 2)
	assert.Equal(t, "owned-table", findings[0].Code)
	assert.Equal(t, "table inet a", findings[0].Path)
	assert.Equal(t, "other-writer", findings[1].Code)
	assert.Equal(t, "table inet b holds 2 stateful objects that someone else put there", findings[1].Text)
}
