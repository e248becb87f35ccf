package ruleset

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
)

func TestParse(t *testing.T) {
	spec, err := Parse(strings.NewReader(`{
		"owner": "demo",
		"tables": [{
			"name": "x",
			"flowtables": [{"name": "f", "devices": [{"name": "eth0"}, {"prefix": "ppp"}], "priority": "filter - 1", "hardware": "on", "noCounter": true}],
			"sets": [{"name": "slow", "type": "ipv4_addr", "interval": true, "elements": ["192.0.2.0/24"]}],
			"chains": [{"name": "y", "hook": "forward", "policy": "drop", "rules": [
				{"do": [{"match": {"field": "ct original packets", "atLeast": 18446744073709551615}}, {"flowAdd": "f"}], "comment": "all"},
				{"do": [{"log": {"prefix": "x", "group": 7}}, {"counter": {}}, {"raw": {"text": "x", "expr": ["AQI="]}}]}
			]}]
		}]
	}`))
	require.NoError(t, err)
	group := uint16(7)
	assert.Equal(t, &Spec{Owner: "demo", Tables: []Table{{
		Name: "x",
		Flowtables: []flowtable.Spec{{
			Name: "f", Devices: []flowtable.Selector{{Name: "eth0"}, {Prefix: "ppp"}},
			Priority: "filter - 1", Hardware: flowtable.HardwareOn, NoCounter: true,
		}},
		Sets: []Set{{Name: "slow", Type: IPv4Addr, Interval: true, Elements: []string{"192.0.2.0/24"}}},
		Chains: []Chain{{Name: "y", Hook: Forward, Policy: VerdictDrop, Rules: []Rule{
			R(CTOriginalPackets.AtLeast(1<<64-1), FlowAdd("f")).Note("all"),
			R(Statement{Log: &Logging{Prefix: "x", Group: &group}}, Counter(), Statement{Raw: &Raw{Text: "x", Expr: [][]byte{{1, 2}}}}),
		}}},
	}}}, spec)
}

func TestParseRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		text         string
		line, column int
		want         string
	}{
		"empty":                {"", 1, 1, "the input is empty"},
		"blank":                {" \n\t ", 1, 1, "the input is empty"},
		"no JSON":              {"table inet x {}", 1, 2, "not JSON"},
		"cut off":              {"{\n  \"tables\": [", 2, 13, "unexpected end"},
		"missing comma":        {"{\n  \"owner\": \"a\"\n  \"tables\": []}", 3, 3, "not JSON"},
		"trailing comma":       {`{"tables": [],}`, 1, 15, "not JSON"},
		"trailing garbage":     {"{\"tables\": []}\n x", 2, 2, "not JSON"},
		"second document":      {"{\"tables\": []}\n{}", 2, 1, "not JSON"},
		"not UTF-8":            {"{\n\"owner\": \"\xff\"}", 2, 11, "not UTF-8"},
		"a list":               {`[]`, 1, 1, "want an object, found a list"},
		"null":                 {`null`, 1, 1, "want an object, found null"},
		"unknown at the top":   {`{"table": []}`, 1, 2, "table: unknown field; known here: owner, tables"},
		"other case":           {`{"Tables": []}`, 1, 2, "Tables: unknown field"},
		"line break in a name": {`{"a\nb\u001b": []}`, 1, 2, `"a\nb\x1b": unknown field; known here: owner, tables`},
		"unknown in a table":   {`{"tables": [{"name": "x", "set": []}]}`, 1, 27, "tables[0].set: unknown field; known here: family, name, flowtables, sets, offload, chains"},
		"unknown in a flowtable": {`{"tables": [{"name": "x", "flowtables": [{"nme": "x"}]}]}`, 1, 43,
			"tables[0].flowtables[0].nme: unknown field; known here: name, devices, layers, priority, hardware, noCounter"},
		"unknown in a selector":  {`{"tables": [{"flowtables": [{"devices": [{"name": "a"}, {"glob": "b"}]}]}]}`, 1, 58, "tables[0].flowtables[0].devices[1].glob: unknown field"},
		"unknown in a set":       {`{"tables": [{"sets": [{"flags": "interval"}]}]}`, 1, 24, "tables[0].sets[0].flags: unknown field"},
		"unknown in a statement": {"{\"tables\": [{\"chains\": [{\"rules\": [{\"do\": [\n{\"flowadd\": \"f\"}]}]}]}]}", 2, 2, "tables[0].chains[0].rules[0].do[0].flowadd: unknown field; known here: match, flowAdd"},
		"unknown in a counter":   {`{"tables": [{"chains": [{"rules": [{"do": [{"counter": {"packets": 1}}]}]}]}]}`, 1, 57, "do[0].counter.packets: unknown field; known here: "},
		"given twice":            {`{"owner": "a", "owner": "b"}`, 1, 16, "owner: the field is given twice"},
		"number for a string":    {`{"tables": [{"chains": [{"priority": -10}]}]}`, 1, 38, "tables[0].chains[0].priority: want a string, found the number -10"},
		"string for a list":      {`{"tables": [{"sets": [{"elements": "a"}]}]}`, 1, 36, `tables[0].sets[0].elements: want a list, found the string "a"`},
		"list for a string":      {`{"owner": ["a"]}`, 1, 11, "owner: want a string, found a list"},
		"null for a string":      {`{"owner": null}`, 1, 11, "owner: want a string, found null"},
		"null in a list":         {`{"tables": [null]}`, 1, 13, "tables[0]: want an object, found null"},
		"number in a list":       {`{"tables": [{"sets": [{"elements": ["a", 5]}]}]}`, 1, 42, "tables[0].sets[0].elements[1]: want a string, found the number 5"},
		"string for a flag":      {`{"tables": [{"sets": [{"interval": "yes"}]}]}`, 1, 36, "want true or false"},
		"too great a port":       {`{"tables": [{"chains": [{"rules": [{"do": [{"dnat": {"port": 65536}}]}]}]}]}`, 1, 62, "dnat.port: want a whole number from 0 to 65535, found the number 65536"},
		"negative":               {`{"tables": [{"chains": [{"rules": [{"do": [{"limit": {"rate": -1}}]}]}]}]}`, 1, 63, "want a whole number from 0 to 18446744073709551615"},
		"fraction":               {`{"tables": [{"chains": [{"rules": [{"do": [{"limit": {"burst": 1.5}}]}]}]}]}`, 1, 64, "want a whole number from 0 to 4294967295"},
		"no base64":              {`{"tables": [{"chains": [{"rules": [{"do": [{"raw": {"expr": ["?"]}}]}]}]}]}`, 1, 62, "raw.expr[0]: want bytes as a base64 string"},
		"umlauts count once":     {"{\"owner\": \"ää\", \"x\": 1}", 1, 17, "x: unknown field"},
	} {
		t.Run(name, func(t *testing.T) {
			spec, err := Parse(strings.NewReader(c.text))
			assert.Nil(t, spec)
			var mistake *ParseError
			require.ErrorAs(t, err, &mistake)
			assert.ErrorContains(t, err, c.want)
			assert.Equal(t, [2]int{c.line, c.column}, [2]int{mistake.Line, mistake.Column}, "%v", err)
		})
	}
}

func TestParseNamesThePath(t *testing.T) {
	_, err := Parse(strings.NewReader(`{"tables": [{"nam": "x"}]}`))
	var field *flowtable.FieldError
	require.ErrorAs(t, err, &field)
	assert.Equal(t, "tables[0].nam", field.Path)
	assert.EqualError(t, err, "line 1, column 14: tables[0].nam: unknown field; known here: family, name, flowtables, sets, offload, chains")
}

func TestParsePassesReadErrorsOn(t *testing.T) {
	cause := errors.New("disk on fire")
	_, err := Parse(io.MultiReader(strings.NewReader("{"), iotest.ErrReader(cause)))
	require.ErrorIs(t, err, cause)
	var mistake *ParseError
	assert.False(t, errors.As(err, &mistake))
}

func TestParseTakesNullForAbsent(t *testing.T) {
	text, err := json.Marshal(Spec{})
	require.NoError(t, err)
	require.Equal(t, `{"tables":null}`, string(text))
	spec, err := Parse(bytes.NewReader(text))
	require.NoError(t, err)
	assert.Equal(t, &Spec{}, spec)
}

func TestParseDoesNotOverflowTheStack(t *testing.T) {
	_, err := Parse(strings.NewReader(strings.Repeat("[", 1<<20)))
	assert.ErrorContains(t, err, "JSON")
}
