package ruleset

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/nftables/expr"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// rawStatement is what ruleset/rawexpr makes of expressions; that package imports this one.
func rawStatement(family Family, text string, exprs ...expr.Any) (Statement, error) {
	raw := &Raw{Text: text}
	for _, e := range exprs {
		b, err := expr.Marshal(family.number(), e)
		if err != nil {
			return Statement{}, err
		}
		raw.Expr = append(raw.Expr, b)
	}
	return Statement{Raw: raw}, nil
}

// TestRawOnAKernel sends expressions that the typed statements cannot say and lets nft spell them.
func TestRawOnAKernel(t *testing.T) {
	rt, err := rawStatement(Inet, "fib saddr . iif oif missing", &expr.Fib{Register: 1, FlagSADDR: true, FlagIIF: true, ResultOIF: true}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: make([]byte, 4)})
	require.NoError(t, err)
	notrack, err := rawStatement(Inet, "notrack", &expr.Notrack{})
	require.NoError(t, err)
	spec := &Spec{Tables: []Table{{Name: "t", Chains: []Chain{{Name: "c", Hook: Prerouting, Priority: "raw", Rules: []Rule{
		R(IIFName.Is("eth0"), rt, Drop()).Note("a raw one"), R(TCPDport.Is(80), notrack),
	}}}}}}

	doc, err := json.Marshal(spec)
	require.NoError(t, err)
	back, err := Parse(strings.NewReader(string(doc)))
	require.NoError(t, err)
	require.Equal(t, spec, back, "a Raw survives its JSON form")

	ns := testns.NewT(t, "raw")
	apply(t, ns, back)
	text := listing(t, ns)
	assert.Contains(t, text, `iifname "eth0" fib saddr . iif oif 0 drop comment "a raw one"`)
	assert.Contains(t, text, "tcp dport 80 notrack")
}
