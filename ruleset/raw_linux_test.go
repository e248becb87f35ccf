package ruleset

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/nftables/expr"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// TestRawExprOnAKernel sends expressions that the typed statements cannot say and lets nft spell them.
func TestRawExprOnAKernel(t *testing.T) {
	rt, err := RawExpr(Inet, "fib saddr . iif oif missing", &expr.Fib{Register: 1, FlagSADDR: true, FlagIIF: true, ResultOIF: true}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: make([]byte, 4)})
	require.NoError(t, err)
	notrack, err := RawExpr(Inet, "notrack", &expr.Notrack{})
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

func TestRawExprRefuses(t *testing.T) {
	var null *expr.Counter
	for name, call := range map[string]func() (Statement, error){
		"no text":        func() (Statement, error) { return RawExpr(IP, "", &expr.Counter{}) },
		"no expressions": func() (Statement, error) { return RawExpr(IP, "counter") },
		"nil":            func() (Statement, error) { return RawExpr(IP, "counter", nil) },
		"nil pointer":    func() (Statement, error) { return RawExpr(IP, "counter", null) },
		"flow offload":   func() (Statement, error) { return RawExpr(IP, "flow add @f", &expr.FlowOffload{Name: "f"}) },
	} {
		s, err := call()
		assert.Error(t, err, name)
		assert.Equal(t, Statement{}, s, name)
	}
	_, err := RawExpr(IP, "flow add @f", &expr.Counter{}, &expr.FlowOffload{Name: "f"})
	assert.EqualError(t, err, `raw statement "flow add @f", expression 1: write FlowAdd("f") instead`)
}

// TestRawExprBytes: a Raw is the contents of a list element, as google/nftables marshals it.
func TestRawExprBytes(t *testing.T) {
	s, err := RawExpr(IP6, "counter", &expr.Counter{Packets: 1, Bytes: 2})
	require.NoError(t, err)
	want, err := expr.Marshal(unix.NFPROTO_IPV6, &expr.Counter{Packets: 1, Bytes: 2})
	require.NoError(t, err)
	assert.Equal(t, &Raw{Text: "counter", Expr: [][]byte{want}}, s.Raw)
}
