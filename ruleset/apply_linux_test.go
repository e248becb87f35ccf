package ruleset

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// These tests need tables, chains, sets and rules of a real kernel, but no flowtables.

func seqOf(list []Message) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for _, m := range list {
			if !yield(m, nil) {
				return
			}
		}
	}
}

// loadFrom reads a namespace.
func loadFrom(t testing.TB, ns *testns.Namespace) *Loaded {
	t.Helper()
	l, err := Load("", seqOf(dump(t, ns)))
	require.NoError(t, err)
	require.False(t, l.Torn())
	return l
}

func batchBetween(t testing.TB, have *Loaded, s *Spec) (*Plan, *Batch) {
	t.Helper()
	p, err := Diff(have, resolved(t, s))
	require.NoError(t, err)
	b, err := p.Batch(nil)
	require.NoError(t, err)
	return p, b
}

func TestReplaceOnAKernel(t *testing.T) {
	ns := testns.NewT(t, "replace")
	ctx := testContext(t)
	require.NoError(t, ns.NFT(ctx, `table inet theirs { comment "do not touch"; chain c { counter; }; }`))
	foreign := listing(t, ns)
	apply(t, ns, capturedSpec(false, false))
	before := listing(t, ns)
	assert.Contains(t, before, `comment "managed by fastpath"`)

	l := loadFrom(t, ns)
	p, _ := batchBetween(t, l, capturedSpec(false, false))
	assert.True(t, p.Empty(), p)
	assert.Equal(t, l.Generation(), p.Generation())

	// A plan is pinned to the generation that it was made for.
	changed := capturedSpec(false, false)
	changed.Tables[0].Chains = append(changed.Tables[0].Chains, Chain{Name: "new"})
	_, b := batchBetween(t, l, changed)
	require.NoError(t, commit(t, ns, b))
	assert.Equal(t, l.Generation()+1, loadFrom(t, ns).Generation())
	before = listing(t, ns)
	err := commit(t, ns, b)
	var refused *CommitError
	require.ErrorAs(t, err, &refused)
	require.Len(t, refused.Refusals, 1)
	assert.Equal(t, Refusal{Message: 0, Errno: 85}, refused.Refusals[0])
	assert.Equal(t, before, listing(t, ns))

	// What is no longer declared goes, what is theirs stays.
	_, b = batchBetween(t, loadFrom(t, ns), &Spec{})
	require.NoError(t, commit(t, ns, b))
	assert.Equal(t, foreign, listing(t, ns))

	_, err = Diff(loadFrom(t, ns), resolved(t, &Spec{Tables: []Table{{Name: "theirs"}}}))
	require.ErrorIs(t, err, ErrForeign)
}

// TestCreateIsExclusive: a plan made without looking never takes over a table.
func TestCreateIsExclusive(t *testing.T) {
	ns := testns.NewT(t, "exclusive")
	require.NoError(t, ns.NFT(testContext(t), "table inet a { chain theirs { }; }"))
	before := listing(t, ns)
	b := compile(t, &Spec{Tables: []Table{{Family: IP, Name: "first"}, {Name: "a", Chains: []Chain{{Name: "c"}}}}})
	err := commit(t, ns, b)
	require.ErrorIs(t, err, fs.ErrExist)
	var r Refusal
	require.ErrorAs(t, err, &r)
	op, ok := b.Operation(r.Message)
	require.True(t, ok)
	assert.Equal(t, `create table inet a { comment "managed by fastpath"; }`, op.String())
	assert.Equal(t, `NFTA_TABLE_NAME "a"`, b.Attribute(r.Message, r.Offset))
	assert.Equal(t, before, listing(t, ns), "nothing of the batch stays")
}

// TestDryRunOnAKernel: without BATCH_END a batch is answered and taken back.
func TestDryRunOnAKernel(t *testing.T) {
	ns := testns.NewT(t, "dryrun")
	b := compile(t, capturedSpec(false, false))
	generation := loadFrom(t, ns).Generation()
	require.NoError(t, commitBytes(t, ns, b, b.DryRun()))
	assert.Empty(t, listing(t, ns))
	assert.Equal(t, generation, loadFrom(t, ns).Generation())

	bad := compile(t, &Spec{Tables: []Table{{Name: "t", Chains: []Chain{{Name: "c", Rules: []Rule{R(Statement{Raw: &Raw{Text: "unknown", Expr: [][]byte{
		{12, 0, 1, 0, 'u', 'n', 'k', 'n', 'o', 'w', 'n', 0}}}})}}}}}})
	err := commitBytes(t, ns, bad, bad.DryRun())
	require.ErrorIs(t, err, fs.ErrNotExist)
	var r Refusal
	require.True(t, errors.As(err, &r))
	op, _ := bad.Operation(r.Message)
	assert.Equal(t, KindRule, op.Kind)
}

// TestLargeRulesetOnAKernel: 100,000 elements and 10,000 rules in one transaction.
func TestLargeRulesetOnAKernel(t *testing.T) {
	s := Set{Name: "big", Type: IPv4Addr, Interval: true}
	for i := range 100_000 {
		s.Elements = append(s.Elements, fmt.Sprintf("10.%d.%d.%d", i>>15, i>>7&0xff, i<<1&0xff))
	}
	c := Chain{Name: "c", Hook: Forward}
	for i := range 10_000 {
		c.Rules = append(c.Rules, R(IPSaddr.Is(fmt.Sprintf("10.0.%d.%d", i>>8, i&0xff)), TCPDport.Is(uint16(i)), Counter()))
	}
	ns := testns.NewT(t, "large")
	apply(t, ns, &Spec{Tables: []Table{{Name: "t", Sets: []Set{s}, Chains: []Chain{c}}}})
	rules := 0
	for _, m := range dump(t, ns) {
		if m.Type == nlmsg.NFTablesType(nlmsg.NFTMsgNewRule) {
			rules++
		}
	}
	assert.Equal(t, 10_000, rules)
	assert.Equal(t, 1+2*100_000, countElements(t, ns, "t", "big"), "starts, ends, and the gap before the first")
}

// TestSetsOfAllTypesAgainstNFT compares sets of every type and shape, also empty ones and adjacent ranges.
func TestSetsOfAllTypesAgainstNFT(t *testing.T) {
	sets := []struct {
		set Set
		nft string
	}{
		{Set{Name: "a", Type: IPv4Addr}, "type ipv4_addr;"},
		{Set{Name: "b", Type: IPv4Addr, Interval: true}, "type ipv4_addr; flags interval;"},
		{Set{Name: "c", Type: IPv4Addr, Elements: []string{"192.0.2.1", "10.0.0.1"}}, "type ipv4_addr; elements = { 10.0.0.1, 192.0.2.1 };"},
		{Set{Name: "d", Type: IPv4Addr, Interval: true, Elements: []string{"10.0.0.128/25", "10.0.0.0/25", "255.255.255.255", "0.0.0.0-0.0.0.9"}},
			"type ipv4_addr; flags interval; elements = { 10.0.0.0/25, 10.0.0.128/25, 255.255.255.255, 0.0.0.0-0.0.0.9 };"},
		{Set{Name: "e", Type: IPv6Addr, Elements: []string{"::1", "2001:db8::1"}}, "type ipv6_addr; elements = { ::1, 2001:db8::1 };"},
		{Set{Name: "f", Type: IPv6Addr, Interval: true, Elements: []string{"ff00::/8", "2001:db8::/33", "::/128", "fe80::3-fe80::9"}},
			"type ipv6_addr; flags interval; elements = { ff00::/8, 2001:db8::/33, ::, fe80::3-fe80::9 };"},
		{Set{Name: "g", Type: InetService, Elements: []string{"443", "0", "65535"}}, "type inet_service; elements = { 0, 443, 65535 };"},
		{Set{Name: "h", Type: InetService, Interval: true, Elements: []string{"6-8", "1-5", "1024-65535", "443"}},
			"type inet_service; flags interval; elements = { 1-5, 6-8, 443, 1024-65535 };"},
		{Set{Name: "i", Type: InetService, Interval: true, Elements: []string{"0-65535"}}, "type inet_service; flags interval; elements = { 0-65535 };"},
		{Set{Name: "j", Type: IfName, Elements: []string{"abcdefghijklmno", "eth0", "br-lan.5"}}, `type ifname; elements = { "eth0", "br-lan.5", "abcdefghijklmno" };`},
		{Set{Name: "k", Type: IfName, Interval: true, Elements: []string{"ppp*", "eth0", "abcdefghijklmn*"}}, `type ifname; flags interval; elements = { "ppp*", "eth0", "abcdefghijklmn*" };`},
	}
	var spec Table
	text := "table inet t {\n comment \"managed by fastpath\"\n"
	for _, s := range sets {
		spec.Sets = append(spec.Sets, s.set)
		text += fmt.Sprintf(" set %s { %s }\n", s.set.Name, s.nft)
	}
	spec.Name = "t"
	want := listed(t, text+"}\n")
	ns := testns.NewT(t, "sets")
	apply(t, ns, &Spec{Tables: []Table{spec}})
	compareLines(t, want, listing(t, ns))
	compareLines(t, want, listed(t, nftText(t, &Spec{Tables: []Table{spec}})))
}

// TestChainsAgainstNFT compares base chains of every type, hook and policy.
func TestChainsAgainstNFT(t *testing.T) {
	text := "table inet t {\n comment \"managed by fastpath\"\n"
	table := Table{Name: "t"}
	for i, c := range []Chain{
		{Hook: Prerouting, Priority: "raw"}, {Hook: Prerouting, Priority: "mangle + 1"}, {Hook: Input, Policy: VerdictDrop},
		{Hook: Forward, Priority: "filter - 10"}, {Hook: Forward, Priority: "-11"}, {Hook: Output, Priority: "security"},
		{Hook: Postrouting, Priority: "srcnat"}, {Hook: Postrouting, Priority: "300", Type: FilterChain},
		{Hook: Output, Type: RouteChain, Priority: "mangle"}, {Hook: Prerouting, Type: NATChain, Priority: "dstnat"},
		{Hook: Input, Type: NATChain, Priority: "100"}, {Hook: Output, Type: NATChain, Priority: "-100"},
		{Hook: Postrouting, Type: NATChain, Priority: "srcnat - 1"}, {},
	} {
		c.Name = fmt.Sprintf("c%d", i)
		table.Chains = append(table.Chains, c)
		text += fmt.Sprintf(" chain %s { %s }\n", c.Name, handwrittenHead(c))
	}
	want := listed(t, text+"}\n")
	ns := testns.NewT(t, "chains")
	apply(t, ns, &Spec{Tables: []Table{table}})
	compareLines(t, want, listing(t, ns))
}

func handwrittenHead(c Chain) string {
	if c.Hook == "" {
		return ""
	}
	typ, policy, priority := c.Type, c.Policy, c.Priority
	if typ == "" {
		typ = "filter"
	}
	if policy == "" {
		policy = "accept"
	}
	if priority == "" {
		priority = "filter"
	}
	return fmt.Sprintf("type %s hook %s priority %s; policy %s;", typ, c.Hook, priority, policy)
}
