package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A spec that every kernel with nf_tables takes.
const plainSpec = `{"tables":[{"name":"plain","chains":[{"name":"in","hook":"input","rules":[{"do":[{"counter":{}}]}]}]}]}`

// inTable is a spec with one table of these members.
func inTable(members string) string { return `{"tables":[{"name":"t",` + members + `}]}` }

// withFlowtable is a spec with one flowtable f of these members.
func withFlowtable(members string) string {
	return inTable(`"flowtables":[{"name":"f",` + members + `}]`)
}

// withRule is a spec with flowtable f, set s and a forward chain of one rule.
func withRule(do string) string {
	return inTable(`"flowtables":[{"name":"f"}],"sets":[{"name":"s","type":"ipv4_addr"}],"chains":[{"name":"c","hook":"forward","rules":[{"do":[` + do + `]}]}]`)
}

// An invalid spec, where its mistake is, and a word of the message about it.
type invalid struct{ spec, path, says string }

func invalidSpecs() map[string]invalid {
	long := strings.Repeat("x", 256)
	return map[string]invalid{
		// Not the JSON form.
		"empty":                 {"", "", ""},
		"malformed":             {`{"tables":[`, "", ""},
		"not an object":         {`[]`, "", ""},
		"trailing data":         {plainSpec + `{}`, "", ""},
		"wrong type":            {`{"tables":{}}`, "tables", ""},
		"unknown field, spec":   {`{"tables":[],"table":1}`, "table", ""},
		"unknown field, table":  {inTable(`"color":1`), "color", ""},
		"unknown field, ft":     {withFlowtable(`"color":1`), "color", ""},
		"unknown field, device": {withFlowtable(`"devices":[{"nam":"eth0"}]`), "nam", ""},
		"unknown field, set":    {inTable(`"sets":[{"name":"s","type":"ipv4_addr","color":1}]`), "color", ""},
		"unknown field, chain":  {inTable(`"chains":[{"name":"c","color":1}]`), "color", ""},
		"unknown field, rule":   {inTable(`"chains":[{"name":"c","rules":[{"does":[]}]}]`), "does", ""},
		"unknown field, do":     {withRule(`{"flowAd":"f"}`), "flowAd", ""},
		"unknown field, match":  {withRule(`{"match":{"fild":"ct state"}}`), "fild", ""},
		"unknown field, dnat":   {withRule(`{"dnat":{"address":"10.0.0.1"}}`), "address", ""},
		"unknown field, limit":  {withRule(`{"limit":{"rat":1}}`), "rat", ""},
		// Names.
		"no table name":            {`{"tables":[{"name":""}]}`, "tables[0].name", ""},
		"long table name":          {`{"tables":[{"name":"` + long + `"}]}`, "tables[0].name", "255"},
		"two tables of one name":   {`{"tables":[{"name":"t"},{"name":"t"}]}`, "tables[1]", ""},
		"empty flowtable name":     {inTable(`"flowtables":[{"name":""}]`), "tables[0].flowtables[0].name", ""},
		"long flowtable name":      {inTable(`"flowtables":[{"name":"` + long + `"}]`), "tables[0].flowtables[0].name", "255"},
		"two flowtables of a name": {inTable(`"flowtables":[{"name":"f"},{"name":"f"}]`), "tables[0].flowtables[1].name", ""},
		"reserved word":            {inTable(`"flowtables":[{"name":"flow"}]`), "tables[0].flowtables[0].name", ""},
		"two chains of one name":   {inTable(`"chains":[{"name":"c"},{"name":"c"}]`), "tables[0].chains[1]", ""},
		"two sets of one name":     {inTable(`"sets":[{"name":"s","type":"ipv4_addr"},{"name":"s","type":"ipv4_addr"}]`), "tables[0].sets[1]", ""},
		"unknown family":           {`{"tables":[{"name":"t","family":"bridge"}]}`, "tables[0].family", "bridge"},
		"owner too long":           {`{"owner":"` + long + `","tables":[]}`, "owner", ""},
		// Devices.
		"empty device":               {withFlowtable(`"devices":[{}]`), "tables[0].flowtables[0].devices[0]", ""},
		"empty device name":          {withFlowtable(`"devices":[{"name":"eth0"},{"name":""}]`), "tables[0].flowtables[0].devices[1]", ""},
		"16-byte device name":        {withFlowtable(`"devices":[{"name":"abcdefghijklmnop"}]`), "tables[0].flowtables[0].devices[0]", "15"},
		"duplicate device":           {withFlowtable(`"devices":[{"name":"eth0"},{"name":"eth0"}]`), "tables[0].flowtables[0].devices[1]", "eth0"},
		"device under a prefix":      {withFlowtable(`"devices":[{"prefix":"eth"},{"name":"eth0"}]`), "tables[0].flowtables[0].devices[1]", "eth"},
		"prefix under a prefix":      {withFlowtable(`"devices":[{"prefix":"et"},{"prefix":"eth"}]`), "tables[0].flowtables[0].devices[1]", "eth"},
		"name and prefix":            {withFlowtable(`"devices":[{"name":"eth0","prefix":"eth"}]`), "tables[0].flowtables[0].devices[0]", ""},
		"device in two flowtables":   {inTable(`"flowtables":[{"name":"f","devices":[{"name":"eth0"}]},{"name":"g","devices":[{"name":"eth0"}]}]`), "tables[0].flowtables[1].devices[0]", "eth0"},
		"prefix over two flowtables": {inTable(`"flowtables":[{"name":"f","devices":[{"name":"eth0"}]},{"name":"g","devices":[{"prefix":"eth"}]}]`), "tables[0].flowtables[1].devices[0]", "eth"},
		// Other fields of flowtables and chains.
		"priority out of range": {withFlowtable(`"priority":"4000000000"`), "tables[0].flowtables[0].priority", ""},
		"priority nonsense":     {withFlowtable(`"priority":"early"`), "tables[0].flowtables[0].priority", "early"},
		"hardware perhaps":      {withFlowtable(`"hardware":"perhaps"`), "tables[0].flowtables[0].hardware", "perhaps"},
		"unknown hook":          {inTable(`"chains":[{"name":"c","hook":"ingress"}]`), "tables[0].chains[0].hook", "ingress"},
		"unknown chain type":    {inTable(`"chains":[{"name":"c","hook":"forward","type":"bridge"}]`), "tables[0].chains[0].type", "bridge"},
		"policy without hook":   {inTable(`"chains":[{"name":"c","policy":"drop"}]`), "tables[0].chains[0].policy", ""},
		"unknown policy":        {inTable(`"chains":[{"name":"c","hook":"forward","policy":"perhaps"}]`), "tables[0].chains[0].policy", "perhaps"},
		"unknown set type":      {inTable(`"sets":[{"name":"s","type":"mac"}]`), "tables[0].sets[0].type", "mac"},
		"bad element":           {inTable(`"sets":[{"name":"s","type":"ipv4_addr","elements":["10.0.0.256"]}]`), "tables[0].sets[0].elements[0]", "10.0.0.256"},
		// Rules.
		"no statement":              {withRule(``), "tables[0].chains[0].rules[0]", ""},
		"empty statement":           {withRule(`{}`), "tables[0].chains[0].rules[0].do[0]", ""},
		"two statements in one":     {withRule(`{"flowAdd":"f","verdict":"accept"}`), "tables[0].chains[0].rules[0].do[0]", ""},
		"flow add to nowhere":       {withRule(`{"flowAdd":"g"}`), "tables[0].chains[0].rules[0].do[0]", "g"},
		"jump to nowhere":           {withRule(`{"jump":"away"}`), "tables[0].chains[0].rules[0].do[0]", "away"},
		"set that is not there":     {withRule(`{"match":{"field":"ip saddr","is":["@none"]}}`), "tables[0].chains[0].rules[0].do[0]", "none"},
		"set of another type":       {withRule(`{"match":{"field":"ip6 saddr","is":["@s"]}}`), "tables[0].chains[0].rules[0].do[0]", "s"},
		"unknown match field":       {withRule(`{"match":{"field":"ct color","is":["red"]}}`), "tables[0].chains[0].rules[0].do[0]", "ct color"},
		"unknown state":             {withRule(`{"match":{"field":"ct state","is":["done"]}}`), "tables[0].chains[0].rules[0].do[0]", "done"},
		"bad address":               {withRule(`{"match":{"field":"ip saddr","is":["10.0.0.0/33"]}}`), "tables[0].chains[0].rules[0].do[0]", "10.0.0.0/33"},
		"masquerade in forward":     {withRule(`{"masquerade":{}}`), "tables[0].chains[0].rules[0].do[0]", ""},
		"flow add in input":         {inTable(`"flowtables":[{"name":"f"}],"chains":[{"name":"c","hook":"input","rules":[{"do":[{"flowAdd":"f"}]}]}]`), "tables[0].chains[0].rules[0].do[0]", "forward"},
		"flow add by a jump":        {inTable(`"flowtables":[{"name":"f"}],"chains":[{"name":"c","rules":[{"do":[{"flowAdd":"f"}]}]},{"name":"in","hook":"input","rules":[{"do":[{"jump":"c"}]}]}]`), "tables[0].chains[0].rules[0].do[0]", "forward"},
		"flow add of another table": {`{"tables":[{"name":"t","flowtables":[{"name":"f"}]},{"name":"u","chains":[{"name":"c","hook":"forward","rules":[{"do":[{"flowAdd":"f"}]}]}]}]}`, "tables[1].chains[0].rules[0].do[0]", "f"},
	}
}

// TestInvalidSpecs holds every command that takes a SPEC against every kind of mistake in one.
func TestInvalidSpecs(t *testing.T) {
	for name, test := range invalidSpecs() {
		t.Run(name, func(t *testing.T) {
			for _, command := range []string{"check", "render", "plan", "apply", "run", "status"} {
				r := flowctl(test.spec, command, "-")
				r.assertRefused(t, exitUsage, "flowctl: "+command+": standard input: ", test.path, test.says)
			}
		})
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	spec := inTable(`"family":"arp","flowtables":[{"name":"","priority":"early"},{"name":"f","devices":[{"name":""}]}]`)
	r := flowctl(spec, "check", "-")
	r.assertRefused(t, exitUsage, "tables[0].family", "tables[0].flowtables[0].name", "tables[0].flowtables[0].priority",
		"tables[0].flowtables[1].devices[0]")
	for line := range strings.Lines(r.err) {
		assert.True(t, strings.HasPrefix(line, "flowctl: check: standard input: "), "line %q", line)
	}
}

func TestUnreadableFiles(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.json")
	for _, command := range []string{"check", "render", "plan", "apply", "run", "status"} {
		flowctl("", command, missing).assertRefused(t, exitFailed, missing, "no such file")
	}
	for _, target := range []string{missing, t.TempDir()} {
		flowctl(plainSpec, "render", "--target", target, "-").assertRefused(t, exitFailed, target)
	}
	for _, target := range []string{``, `{`, `{"kernels":{}}`, `{"links":[{"nam":"x"}]}`, `{} {}`, `{} }`, `{"links":[{"name":""}]}`} {
		t.Run(fmt.Sprintf("target %q", target), func(t *testing.T) {
			name := writeFile(t, target)
			flowctl(plainSpec, "render", "--target", name, "-").assertRefused(t, exitUsage, name)
		})
	}
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file.json")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}
