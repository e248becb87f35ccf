package ruleset

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/oncehost"
)

// Specs so large that work which grows with the square of their size would take minutes, or all memory.

func TestValidateSurvivesManyFlowtables(t *testing.T) {
	oncehost.Skip(t)
	const n = 20_000
	table := Table{Name: "x"}
	for i := range n {
		table.Flowtables = append(table.Flowtables, flowtable.Spec{Name: "f" + strconv.Itoa(i), Devices: named("d"+strconv.Itoa(i), "e"+strconv.Itoa(i))})
	}
	assert.NoError(t, oneTable(table).Validate())
	table.Flowtables = append(table.Flowtables, flowtable.Spec{Name: "z", Devices: named("one", "e7")})
	assertMistakes(t, oneTable(table), `tables[0].flowtables[20000].devices[1]: "e7" is already picked by "e7" of flowtable "f7"`)
}

// A program that writes one value over and over is told so in a text that can be read.
func TestValidateTellsLongListsShortly(t *testing.T) {
	oncehost.Skip(t)
	const n = 20_000
	same := func(word string) []string { return slices.Repeat([]string{word}, n) }
	devices := slices.Repeat([]flowtable.Selector{{Name: "eth0"}}, n)
	apart := make([]flowtable.Selector, n)
	for i := range apart {
		apart[i].Name = "d" + strconv.Itoa(i)
	}
	rule := Table{Name: "x", Chains: []Chain{{Name: "c", Rules: []Rule{R(IPSaddr.Is(same("192.0.2.1")...))}}}}
	policy := Table{Name: "x", Flowtables: []flowtable.Spec{{Name: "f"}}, Offload: []Policy{{Flowtable: "f", Except: Exclusions{Addrs: same("192.0.2.1")}}}}
	for name, c := range map[string]struct {
		table Table
		path  string // of the mistake that counts the rest
		count int
	}{
		"elements":   {Table{Name: "x", Sets: []Set{{Name: "s", Type: IPv4Addr, Elements: same("192.0.2.1")}}}, "sets[0].elements[101]", n - 1},
		"unreadable": {Table{Name: "x", Sets: []Set{{Name: "s", Type: IPv4Addr, Elements: same("192.0.2")}}}, "sets[0].elements[100]", n},
		"devices":    {Table{Name: "x", Flowtables: []flowtable.Spec{{Name: "f", Devices: devices}}}, "flowtables[0].devices[101]", n - 1},
		"devices of another": {Table{Name: "x", Flowtables: []flowtable.Spec{{Name: "f", Devices: apart}, {Name: "g", Devices: apart}}},
			"flowtables[1].devices[100]", n},
		"values":    {rule, "chains[0].rules[0].do[0].match.is[101]", n - 1},
		"addresses": {policy, "offload[0].except.addrs[101]", n - 1},
	} {
		t.Run(name, func(t *testing.T) {
			mistakes := mistakesOf(t, oneTable(c.table))
			require.Len(t, mistakes, 101)
			assert.Equal(t, fmt.Sprintf("tables[0].%s: the list has %d mistakes, of which the first 100 are told; correct those first", c.path, c.count), mistakes[100])
			assert.Less(t, len(oneTable(c.table).Validate().Error()), 30_000)
		})
	}
}

// Each of many base chains reaches each of many chains.
func TestValidateSurvivesManyBaseChains(t *testing.T) {
	const n = 10_000
	table := Table{Name: "x", Chains: chainRow(n)}
	for i := range n {
		table.Chains = append(table.Chains, Chain{Name: "b" + strconv.Itoa(i), Hook: Forward, Rules: []Rule{R(Jump("c0"))}})
	}
	err := oneTable(table).Validate()
	assert.ErrorContains(t, err, "jumps are nested 10000 deep")
}

// Half of the kernel's tables are declared, the other half is not, and each holds a flowtable.
func TestDiffSurvivesManyTables(t *testing.T) {
	oncehost.Skip(t)
	const n = 40_000
	var k kernelState
	spec := &Spec{}
	for i := range n {
		name := "t" + strconv.Itoa(i)
		k.table(nlmsg.FamilyInet, name, "managed by fastpath")
		k.flowtable(nlmsg.FamilyInet, name, "f")
		if i%2 == 0 {
			spec.Tables = append(spec.Tables, Table{Name: name})
		}
	}
	p, err := Diff(k.load(t, ""), resolved(t, spec))
	require.NoError(t, err)
	require.True(t, len(p.Operations()) == n, "half of the tables go, the others lose their flowtable")
	for _, op := range p.Operations() {
		assert.Equal(t, VerbDelete, op.Verb)
		assert.Contains(t, op.Reason, "live flows")
	}
}

// A chain at the end of a long row leads back to every chain before it.
func TestValidateSurvivesManyLoops(t *testing.T) {
	oncehost.Skip(t)
	const n = 50_000
	chains := chainRow(n)
	for i := range n - 1 {
		chains[n-1].Rules = append(chains[n-1].Rules, R(Counter(), Jump("c"+strconv.Itoa(i))))
	}
	mistakes := mistakesOf(t, oneTable(Table{Name: "x", Chains: chains}))
	require.Len(t, mistakes, n-1)
	assert.True(t, strings.HasPrefix(mistakes[n-2], `tables[0].chains[49999].rules[49998].do[1]: this jump closes a loop: chain "c49998" leads to chain "c49999"`), mistakes[n-2])
}

// The kernel's limit is tried in TestRuleSizeAgainstKernel.
func TestValidateCountsExpressions(t *testing.T) {
	const tooLarge = "tables[0].chains[0].rules[0].do: the rule compiles to "
	check := func(family Family, r Rule, want ...string) {
		t.Helper()
		assertMistakes(t, oneTable(Table{Family: family, Name: "x", Chains: []Chain{{Name: "c", Rules: []Rule{r}}}}), want...)
	}
	check(Inet, repeated(128, Counter()))
	check(Inet, repeated(129, Counter()), tooLarge+"129 expressions, and the kernel takes at most 128")
	check(IP, repeated(64, IPSaddr.Is("192.0.2.1")))
	check(IP, repeated(65, IPSaddr.Is("192.0.2.1")), tooLarge+"130 expressions")
	check(Inet, repeated(64, IPSaddr.Is("192.0.2.1")), tooLarge+"130 expressions")
	raw := Statement{Raw: &Raw{Text: "raw", Expr: make([][]byte, 129)}}
	for i := range raw.Raw.Expr {
		raw.Raw.Expr[i] = []byte{4, 0, 1, 0}
	}
	check(Inet, R(raw), tooLarge+"129 expressions")
	check(Inet, R(Statement{Raw: &Raw{Text: "raw", Expr: [][]byte{make([]byte, 1<<16)}}}), "tables[0].chains[0].rules[0].do: the rule is too large for its message")
}

// repeated is a rule of one statement many times.
func repeated(n int, s Statement) Rule {
	var r Rule
	for range n {
		r.Do = append(r.Do, s)
	}
	return r
}

// chainRow is a row of chains, each of which jumps to the next.
func chainRow(n int) []Chain {
	chains := make([]Chain, n)
	for i := range chains {
		chains[i].Name = "c" + strconv.Itoa(i)
		if i+1 < n {
			chains[i].Rules = []Rule{R(Jump("c" + strconv.Itoa(i+1)))}
		}
	}
	return chains
}

// A device's name can hold what would end a comment or a string in the file.
func TestWriteNFTSurvivesNamesOfDevices(t *testing.T) {
	spec := oneTable(Table{Name: "x", Flowtables: []flowtable.Spec{{Name: "f", Devices: []flowtable.Selector{{Prefix: "p"}}}}})
	r, err := spec.Resolve(&flowtable.Target{Links: []flowtable.Link{{Name: "p\n}"}, {Name: `p" }; }`}, {Name: "p0"}}})
	require.NoError(t, err)
	var text strings.Builder
	require.NoError(t, r.WriteNFT(&text))
	assert.Contains(t, text.String(), "devices = { \"p0\" };\n")
	assert.Contains(t, text.String(), "\t\t# left out: \"p\\n}\" unsupported: ")
	assert.Equal(t, 11, strings.Count(text.String(), "\n"), text.String())
}
