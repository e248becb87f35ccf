package ruleset

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
)

// mistakesOf are the mistakes of a Spec, one line each.
func mistakesOf(t *testing.T, s *Spec) []string {
	t.Helper()
	err := s.Validate()
	if err == nil {
		return nil
	}
	var joined interface{ Unwrap() []error }
	require.True(t, errors.As(err, &joined))
	var lines []string
	for _, e := range joined.Unwrap() {
		var field *flowtable.FieldError
		require.ErrorAs(t, e, &field)
		lines = append(lines, e.Error())
	}
	require.NotContains(t, strings.Join(lines, ""), "\n", "one mistake, one line")
	return lines
}

// assertMistakes compares beginnings: each wanted line is a path, or a path and the beginning of the text.
func assertMistakes(t *testing.T, s *Spec, want ...string) {
	t.Helper()
	got := mistakesOf(t, s)
	if !assert.Len(t, got, len(want), "%s", strings.Join(got, "\n")) {
		return
	}
	for i := range want {
		path, text, _ := strings.Cut(want[i], ": ")
		gotPath, gotText, _ := strings.Cut(got[i], ": ")
		assert.Equal(t, path, gotPath, got[i])
		assert.Contains(t, gotText, text)
	}
}

func oneTable(t Table) *Spec { return &Spec{Tables: []Table{t}} }

func TestValidateAcceptsNothing(t *testing.T) {
	assert.NoError(t, (&Spec{}).Validate())
	assert.NoError(t, oneTable(Table{Name: "x"}).Validate())
}

// A nil Spec is what is left of an error that nobody looked at: it is refused, and nothing panics.
func TestNilSpec(t *testing.T) {
	var s *Spec
	const text = "the Spec is nil; an empty one removes the owner's tables"
	assert.EqualError(t, s.Validate(), text)
	_, err := s.Resolve(nil)
	assert.EqualError(t, err, text)
	_, err = s.ResolveAgain(resolved(t, smallSpec()), nil)
	assert.EqualError(t, err, text)
	assert.Empty(t, s.Lint())
	assert.Empty(t, s.Announced())
	assert.Nil(t, s.WithoutFlowtables())
	p, err := Diff(nil, resolved(t, smallSpec()))
	require.NoError(t, err)
	for _, op := range p.Operations() {
		rule, is := op.Rule()
		assert.Equal(t, is && rule.Offloads(), s.Offloads(op), op.String())
	}
	_, err = Diff(nil, nil)
	assert.ErrorContains(t, err, "what was declared is nil")
	_, err = DiffAdopt(nil, nil)
	assert.ErrorContains(t, err, "what was declared is nil")
}

func TestValidateTables(t *testing.T) {
	assertMistakes(t, &Spec{
		Owner: strings.Repeat("o", 117),
		Tables: []Table{
			{Family: "bridge", Name: "x"},
			{Name: "flow"},
			{Name: "a"},
			{Family: Inet, Name: "a"},
			{Family: IP, Name: "a"},
			{},
		},
	},
		"owner: 117 bytes long; a table's comment has room for 116",
		`tables[0].family: family "bridge" has no flowtables; write "inet", "ip" or "ip6"`,
		`tables[1].name: nft cannot spell the name "flow", a reserved word`,
		`tables[3].name: table "inet a" is already tables[2]; rename or remove one`,
		"tables[5].name: the name is empty",
	)
	assertMistakes(t, &Spec{Owner: `a"b`}, `owner: the owner holds '"', which nft cannot spell`)
	assertMistakes(t, &Spec{Owner: "a\nb"}, `owner: the owner holds '\n'`)
	assertMistakes(t, &Spec{Owner: "a\xff"}, `owner: the owner is not UTF-8`)
	assert.NoError(t, (&Spec{Owner: strings.Repeat("o", 116)}).Validate())
	assert.NoError(t, (&Spec{Owner: "Größe 7; # { }"}).Validate())
}

func TestValidateFlowtables(t *testing.T) {
	names := func(names ...string) []flowtable.Selector {
		var s []flowtable.Selector
		for _, n := range names {
			if prefix, ok := strings.CutSuffix(n, "*"); ok {
				s = append(s, flowtable.Selector{Prefix: prefix})
			} else {
				s = append(s, flowtable.Selector{Name: n})
			}
		}
		return s
	}
	assertMistakes(t, oneTable(Table{Name: "x", Flowtables: []flowtable.Spec{
		{Name: "a", Devices: names("eth0", "ppp*")},
		{Name: "b", Devices: names("eth1", "eth0", "ppp7"), Priority: "raw"},
		{Name: "a", Devices: names("pp*")},
		{Name: "c", Devices: names("a/b", "tun0", "tun*")},
	}}),
		`tables[0].flowtables[1].priority: nft knows no priority "raw" at ingress`,
		`tables[0].flowtables[1].devices[1]: "eth0" is already picked by "eth0" of flowtable "a"`,
		`tables[0].flowtables[1].devices[2]: "ppp7" is already picked by "ppp*" of flowtable "a"`,
		`tables[0].flowtables[2].name: flowtable "a" is already flowtables[0]`,
		`tables[0].flowtables[2].devices[0]: "pp*" is already picked by "ppp*" of flowtable "a"`,
		`tables[0].flowtables[3].devices[0].name: device name "a/b" holds '/'`,
		`tables[0].flowtables[3].devices[2]: "tun*" is already picked by "tun0"`,
	)
	shared := []flowtable.Spec{{Name: "a", Devices: names("eth0")}}
	assert.NoError(t, (&Spec{Tables: []Table{{Name: "x", Flowtables: shared}, {Name: "y", Flowtables: shared}}}).Validate(),
		"a device may be in flowtables of two tables")
}

func TestValidateSets(t *testing.T) {
	assertMistakes(t, oneTable(Table{Name: "x", Sets: []Set{
		{Name: "a", Type: IPv4Addr, Elements: []string{"192.0.2.1", "192.0.2.0/24", "192.0.2.1", "1-2", "::1", "", "192.0.2.5-192.0.2.1", "192.0.2.1/24", "192.0.2.2/32"}},
		{Name: "b", Type: IPv4Addr, Interval: true, Elements: []string{"10.0.0.0/8", "192.0.2.1-192.0.2.9", "10.1.0.0/16", "192.0.2.9", "192.0.2.10"}},
		{Name: "a", Type: "ipv4"},
		{Name: "nh", Type: IPv6Addr, Elements: []string{"192.0.2.1", "fe80::1%eth0", "::1"}},
		{Name: "c", Type: InetService, Interval: true, Elements: []string{"1024-65535", "65536", "2000", "http", "010", "80"}},
		{Name: "d", Type: IfName, Interval: true, Elements: []string{"eth0", "eth*", "ppp*", "ppp", "pp", "*", "a/b", "wan"}},
		{Name: "e", Type: IfName, Elements: []string{"eth0", "ppp*"}},
	}}),
		`tables[0].sets[0].elements[1]: "192.0.2.0/24" is more than one value; set "interval" to true`,
		`tables[0].sets[0].elements[3]: "1" is not an IPv4 address`,
		`tables[0].sets[0].elements[4]: "::1" is not an IPv4 address`,
		`tables[0].sets[0].elements[5]: a value is empty`,
		`tables[0].sets[0].elements[6]: range "192.0.2.5-192.0.2.1" runs backwards`,
		`tables[0].sets[0].elements[7]: prefix "192.0.2.1/24" has bits set behind its length; write "192.0.2.0/24"`,
		`tables[0].sets[0].elements[2]: "192.0.2.1" is listed twice`,
		`tables[0].sets[1].elements[2]: "10.1.0.0/16" overlaps "10.0.0.0/8"`,
		`tables[0].sets[1].elements[3]: "192.0.2.9" overlaps "192.0.2.1-192.0.2.9"`,
		`tables[0].sets[2].name: set "a" is already sets[0]`,
		`tables[0].sets[2].type: unknown set type "ipv4"`,
		`tables[0].sets[3].name: nft cannot spell "@nh"`,
		`tables[0].sets[3].elements[0]: "192.0.2.1" is not an IPv6 address`,
		`tables[0].sets[3].elements[1]: "fe80::1%eth0" is not an IPv6 address`,
		`tables[0].sets[4].elements[1]: "65536" is not a port`,
		`tables[0].sets[4].elements[3]: "http" is not a port`,
		`tables[0].sets[4].elements[4]: "010" is not a port`,
		`tables[0].sets[4].elements[2]: "2000" overlaps "1024-65535"`,
		`tables[0].sets[5].elements[5]: "*" matches every device`,
		`tables[0].sets[5].elements[6]: device name "a/b" holds '/'`,
		`tables[0].sets[5].elements[1]: "eth*" overlaps "eth0"`,
		`tables[0].sets[5].elements[3]: "ppp" overlaps "ppp*"`,
		`tables[0].sets[6].elements[1]: "ppp*" is more than one value`,
	)
}

func TestValidateHooks(t *testing.T) {
	chains := func(chains ...Chain) *Spec {
		for i := range chains {
			chains[i].Name = "c" + strconv.Itoa(i)
		}
		return oneTable(Table{Name: "x", Chains: chains})
	}
	var fine []Chain
	for _, hook := range []Hook{Prerouting, Input, Forward, Output, Postrouting} {
		fine = append(fine, Chain{Hook: hook}, Chain{Hook: hook, Type: FilterChain, Priority: "raw - 1", Policy: VerdictDrop})
		if hook != Forward {
			fine = append(fine, Chain{Hook: hook, Type: NATChain, Priority: "-199"})
		}
	}
	assert.NoError(t, chains(append(fine, Chain{}, Chain{Hook: Output, Type: RouteChain})...).Validate())
	assertMistakes(t, chains(
		Chain{Hook: "ingress"},
		Chain{Hook: Forward, Type: NATChain},
		Chain{Hook: Prerouting, Type: NATChain, Priority: "-200"},
		Chain{Hook: Postrouting, Type: NATChain, Priority: "raw"},
		Chain{Hook: Input, Type: RouteChain},
		Chain{Hook: Input, Type: "mangle"},
		Chain{Hook: Input, Policy: VerdictReturn},
		Chain{Hook: Input, Priority: "fast"},
		Chain{Type: FilterChain, Priority: "0", Policy: VerdictAccept},
	),
		`tables[0].chains[0].hook: unknown hook "ingress"`,
		`tables[0].chains[1].hook: the kernel has no nat chain in "forward"`,
		`tables[0].chains[2].priority: priority -200 of a nat chain is before conntrack, which the kernel refuses; choose one above -200, such as "dstnat"`,
		`tables[0].chains[3].priority: such as "srcnat"`,
		`tables[0].chains[4].hook: the kernel has route chains only in "output"`,
		`tables[0].chains[5].type: unknown chain type "mangle"`,
		`tables[0].chains[6].policy: a policy cannot be "return"`,
		`tables[0].chains[7].priority: neither a number`,
		`tables[0].chains[8].type: a chain without hook has no type`,
		`tables[0].chains[8].priority: a chain without hook has no priority`,
		`tables[0].chains[8].policy: a chain without hook has no policy`,
	)
	assertMistakes(t, oneTable(Table{Name: "x", Chains: []Chain{{Name: "a"}, {Name: "jump"}, {Name: "a"}, {}}}),
		`tables[0].chains[1].name: reserved word`,
		`tables[0].chains[2].name: chain "a" is already chains[0]`,
		`tables[0].chains[3].name: the name is empty`,
	)
}

func TestValidateJumps(t *testing.T) {
	assertMistakes(t, oneTable(Table{Name: "x", Chains: []Chain{
		{Name: "base", Hook: Forward, Rules: []Rule{R(Jump("a")), R(Jump("base")), R(Goto("nowhere"))}},
		{Name: "a", Rules: []Rule{R(Jump("b")), R(Jump("b"))}},
		{Name: "b", Rules: []Rule{R(Counter()), R(Counter(), Goto("a"))}},
		{Name: "self", Rules: []Rule{R(Jump("self"))}},
	}}),
		`tables[0].chains[0].rules[1].do[0]: this jump closes a loop: chain "base" leads to chain "base"`,
		`tables[0].chains[2].rules[1].do[1]: this jump closes a loop: chain "a" leads to chain "b"`,
		`tables[0].chains[3].rules[0].do[0]: this jump closes a loop`,
		`tables[0].chains[0].rules[1].do[0].jump: chain "base" is a base chain`,
		`tables[0].chains[0].rules[2].do[0].goto: no chain "nowhere" in this table`,
	)
	assert.NoError(t, oneTable(deepTable(15)).Validate())
	assertMistakes(t, oneTable(deepTable(16)), `tables[0].chains[0].rules: jumps are nested 16 deep below chain "base"; the kernel takes at most 15`)
}

// deepTable nests jumps; the base chain also takes a short way to the end.
func deepTable(depth int) Table {
	chains := []Chain{{Name: "base", Hook: Forward, Rules: []Rule{R(Jump("c" + strconv.Itoa(depth))), R(Jump("c1"))}}}
	for i := 1; i <= depth; i++ {
		c := Chain{Name: "c" + strconv.Itoa(i)}
		if i < depth {
			c.Rules = []Rule{R(Goto("c" + strconv.Itoa(i+1)))}
		}
		chains = append(chains, c)
	}
	return Table{Name: "x", Chains: chains}
}

func TestValidateFlowAdd(t *testing.T) {
	add := []Rule{R(FlowAdd("f"))}
	table := func(chains ...Chain) *Spec {
		return oneTable(Table{Name: "x", Flowtables: []flowtable.Spec{{Name: "f"}}, Chains: chains})
	}
	assert.NoError(t, table(
		Chain{Name: "base", Hook: Forward, Rules: []Rule{R(FlowAdd("f")), R(Jump("a"))}},
		Chain{Name: "route", Hook: Forward, Priority: "10", Rules: []Rule{R(Goto("a"))}},
		Chain{Name: "a", Rules: []Rule{R(Jump("b"))}},
		Chain{Name: "b", Rules: add},
		Chain{Name: "unreached", Rules: add},
	).Validate())
	for _, hook := range []Hook{Prerouting, Input, Output, Postrouting} {
		assertMistakes(t, table(Chain{Name: "base", Hook: hook, Rules: add}),
			`tables[0].chains[0].rules[0].do[0].flowAdd: flow add works only in "forward", and this chain is at hook "`+string(hook)+`"`)
	}
	assertMistakes(t, table(
		Chain{Name: "base", Hook: Forward, Rules: []Rule{R(Jump("a"))}},
		Chain{Name: "other", Hook: Input, Rules: []Rule{R(Goto("a"))}},
		Chain{Name: "a", Rules: []Rule{R(Jump("b"))}},
		Chain{Name: "b", Rules: []Rule{R(Counter()), R(Counter(), FlowAdd("f"))}},
	), `tables[0].chains[3].rules[1].do[1].flowAdd: flow add works only in "forward", and this chain is reached from base chain "other" at hook "input"`)
	two := table(Chain{Name: "base", Hook: Forward, Rules: []Rule{R(FlowAdd("g"))}})
	two.Tables = append(two.Tables, Table{Name: "y", Flowtables: []flowtable.Spec{{Name: "g"}}})
	assertMistakes(t, two, `tables[0].chains[0].rules[0].do[0].flowAdd: no flowtable "g" in this table`)
}

func TestValidateIsDeterministic(t *testing.T) {
	s := &Spec{Tables: []Table{{Name: "x", Sets: []Set{{Name: "s", Type: InetService, Elements: []string{"1", "1", "1", "0", "0"}}},
		Chains: []Chain{{Name: "b", Rules: []Rule{R(Jump("a"))}}, {Name: "a", Rules: []Rule{R(Jump("b")), R(Jump("c"))}}, {Name: "c"}, {Name: "c"}}}}}
	first := mistakesOf(t, s)
	require.Len(t, first, 5)
	for range 20 {
		assert.Equal(t, first, mistakesOf(t, s))
	}
}

func TestValidateSurvivesALongRowOfChains(t *testing.T) {
	chains := chainRow(50_000)
	chains[0].Hook = Forward
	assertMistakes(t, oneTable(Table{Name: "x", Chains: chains}), "tables[0].chains[0].rules: jumps are nested 49999 deep")
}
