package ruleset

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
)

// nftJSON is the Spec as WriteNFTJSON has it.
func nftJSON(t testing.TB, s *Spec, config *JSONConfig) string {
	t.Helper()
	r, err := s.Resolve(nil)
	require.NoError(t, err)
	var b strings.Builder
	require.NoError(t, r.WriteNFTJSON(&b, config))
	require.True(t, json.Valid([]byte(b.String())), b.String())
	return b.String()
}

func TestJSON(t *testing.T) {
	s := &Spec{Tables: []Table{{Name: "t",
		Flowtables: []flowtable.Spec{{Name: "f", Devices: []flowtable.Selector{{Name: "wan0"}, {Prefix: "ppp"}}, Priority: "filter - 5", NoCounter: true}},
		Sets:       []Set{{Name: "s", Type: IPv4Addr, Interval: true, Elements: []string{"192.0.2.1", "10.0.0.0/8"}}},
		Chains: []Chain{
			{Name: "c", Hook: Forward, Rules: []Rule{R(CTState.Is(Established), FlowAdd("f")).Note("<fast>")}},
			{Name: "r"},
		},
	}}}
	assert.Equal(t, `{"nftables": [
{"metainfo":{"json_schema_version":1}}
,{"add":{"table":{"family":"inet","name":"t","comment":"managed by fastpath"}}}
,{"add":{"flowtable":{"family":"inet","table":"t","name":"f","hook":"ingress","prio":-5,"dev":["ppp*","wan0"]}}}
,{"add":{"set":{"family":"inet","table":"t","name":"s","type":"ipv4_addr","flags":["interval"],"elem":[{"prefix":{"addr":"10.0.0.0","len":8}},"192.0.2.1"]}}}
,{"add":{"chain":{"family":"inet","table":"t","name":"c","type":"filter","hook":"forward","prio":0,"policy":"accept"}}}
,{"add":{"chain":{"family":"inet","table":"t","name":"r"}}}
,{"add":{"rule":{"family":"inet","table":"t","chain":"c","comment":"<fast>","expr":[`+
		`{"match":{"left":{"ct":{"key":"state"}},"op":"in","right":["established"]}},{"flow":{"flowtable":"@f","op":"add"}}]}}}
]}
`, nftJSON(t, s, nil))
}

// TestJSONRefusals: all that would be lost is told at once, with its path, and nothing is written.
func TestJSONRefusals(t *testing.T) {
	s := &Spec{Tables: []Table{{Name: "t",
		Flowtables: []flowtable.Spec{{Name: "plain", NoCounter: true}, {Name: "counted"}, {Name: "hard", Hardware: flowtable.HardwareOn}},
		Sets:       []Set{{Name: "s", Type: IfName, Elements: []string{"eth0", "tcp", "@x"}}},
		Chains: []Chain{{Name: "c", Rules: []Rule{
			R(IIFName.Is("eth0"), OIFName.Not("wan", "icmp")),
			R(Statement{Raw: &Raw{Text: "reject", Expr: [][]byte{{8, 0, 1, 0, 'x', 0, 0, 0}}}}),
			R(L4Proto.Is("tcp"), IIFName.In("s")),
		}}},
		Offload: []Policy{{Flowtable: "plain"}, {Flowtable: "counted", Except: Exclusions{Devices: []string{"udp"}}}},
	}}}
	r, err := s.Resolve(nil)
	require.NoError(t, err)
	var b strings.Builder
	err = r.WriteNFTJSON(&b, nil)
	require.ErrorIs(t, err, ErrNotInJSON)
	assert.Empty(t, b.String())
	flags := []string{"tables[0].flowtables[1].noCounter", "tables[0].flowtables[2].hardware", "tables[0].flowtables[2].noCounter"}
	others := []string{"tables[0].sets[0].elements[1]", "tables[0].sets[0].elements[2]",
		"tables[0].chains[0].rules[0].do[1].match.not[1]", "tables[0].chains[0].rules[1].do[0].raw",
		"tables[0].offload[1]", "tables[0].offload[1]"}
	assert.Equal(t, append(flags, others...), jsonMistakes(t, err))
	assert.Contains(t, err.Error(), "`flags offload` of flowtable \"hard\"")
	assert.Contains(t, err.Error(), "`counter` of flowtable \"counted\"")
	assert.Equal(t, others, jsonMistakes(t, r.WriteNFTJSON(&b, &JSONConfig{DropFlowtableFlags: true})), "only flags may be dropped")
	assert.Empty(t, b.String())
}

// jsonMistakes are the paths of the joined mistakes, each of which matches ErrNotInJSON.
func jsonMistakes(t *testing.T, err error) []string {
	t.Helper()
	joined, ok := err.(interface{ Unwrap() []error })
	require.True(t, ok, "%v", err)
	var paths []string
	for _, e := range joined.Unwrap() {
		var field *flowtable.FieldError
		require.ErrorAs(t, e, &field)
		assert.ErrorIs(t, e, ErrNotInJSON)
		paths = append(paths, field.Path)
	}
	return paths
}

// A writer that fails is told, wherever it fails.
func TestJSONWriteError(t *testing.T) {
	r, err := routerSpec().Resolve(nil)
	require.NoError(t, err)
	var whole strings.Builder
	require.NoError(t, r.WriteNFTJSON(&whole, &JSONConfig{DropFlowtableFlags: true}))
	for room := 0; room < whole.Len(); room += 97 {
		assert.ErrorIs(t, r.WriteNFTJSON(&fullAfter{room}, &JSONConfig{DropFlowtableFlags: true}), errFull)
	}
}

// fullAfter takes so many bytes.
type fullAfter struct{ room int }

func (f *fullAfter) Write(b []byte) (int, error) {
	if len(b) > f.room {
		return f.room, errFull
	}
	f.room -= len(b)
	return len(b), nil
}
