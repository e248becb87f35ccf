package ruleset

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// rawOf is a raw statement of one expression; what stands in it is written by content.
func rawOf(o nlmsg.Order, name string, content func(b *nlmsg.Builder)) Statement {
	return Statement{Raw: &Raw{Text: "raw " + name, Expr: [][]byte{exprOf(o, name, content)}}}
}

func exprOf(o nlmsg.Order, name string, content func(b *nlmsg.Builder)) []byte {
	b := nlmsg.NewBuilder(o, nil)
	b.String(nlmsg.NFTAExprName, name)
	data := b.Nest(nlmsg.NFTAExprData)
	content(b)
	b.EndNest(data)
	return b.Bytes()
}

func flowtableNamed(name string) func(*nlmsg.Builder) {
	return func(b *nlmsg.Builder) { b.String(nlmsg.NFTAFlowTableName, name) }
}

// What offloads is one thing to all who ask, however it is written.
func TestOffloads(t *testing.T) {
	le, be := nlmsg.LittleEndian, nlmsg.BigEndian
	dataFirst := nlmsg.NewBuilder(le, nil)
	nest := dataFirst.Nest(nlmsg.NFTAExprData)
	dataFirst.String(nlmsg.NFTAFlowTableName, "fast")
	dataFirst.EndNest(nest)
	dataFirst.String(nlmsg.NFTAExprName, "flow_offload")
	unended := nlmsg.NewBuilder(le, nil)
	unended.Data(nlmsg.NFTAExprName, []byte("flow_offload"))
	nested := func(attr uint16, list bool) func(b *nlmsg.Builder) {
		return func(b *nlmsg.Builder) {
			n := b.Nest(attr)
			if list {
				b.Data(nlmsg.NFTAListElem, exprOf(le, "flow_offload", flowtableNamed("fast")))
			} else {
				b.Raw(exprOf(le, "flow_offload", flowtableNamed("fast")))
			}
			b.EndNest(n)
		}
	}
	for name, c := range map[string]struct {
		statement Statement
		want      bool
	}{
		"typed":                          {FlowAdd("fast"), true},
		"little endian":                  {rawOf(le, "flow_offload", flowtableNamed("fast")), true},
		"big endian":                     {rawOf(be, "flow_offload", flowtableNamed("fast")), true},
		"attributes the other way round": {Statement{Raw: &Raw{Text: "x", Expr: [][]byte{dataFirst.Bytes()}}}, true},
		"a name without its end":         {Statement{Raw: &Raw{Text: "x", Expr: [][]byte{unended.Bytes()}}}, true},
		"beside an element":              {rawOf(le, "dynset", nested(7, false)), true},
		"in a list beside an element":    {rawOf(le, "dynset", nested(10, true)), true},
		"in an inner header":             {rawOf(le, "inner", nested(5, false)), true},
		"a set of that name":             {rawOf(le, "lookup", func(b *nlmsg.Builder) { b.String(nlmsg.NFTALookupSet, "flow_offload") }), false},
		"a longer name":                  {rawOf(le, "flow_offload2", flowtableNamed("fast")), false},
		"torn":                           {Statement{Raw: &Raw{Text: "x", Expr: [][]byte{{200, 0, 1, 0, 'f'}}}}, false},
		"a match":                        {CTState.Is(Established), false},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.want, c.statement.Offloads())
			rule := R(Counter(), c.statement)
			assert.Equal(t, c.want, rule.Offloads())
			spec := Spec{Tables: []Table{{Name: "fw", Chains: []Chain{{Name: "c", Hook: Forward, Rules: []Rule{rule}}}}}}
			left := spec.WithoutFlowtables().Tables[0].Chains[0].Rules[0].Do
			assert.Equal(t, c.want, len(left) == 1, "%v", left)
			if c.statement.Raw == nil {
				return
			}
			cut, err := cutRule(le, ruleOf(c.statement.Raw.Expr))
			if err == nil && name != "big endian" { // a kernel's own dump is in its order
				assert.Equal(t, c.want, cut.found)
			}
			if c.want {
				assert.True(t, rawRefers(c.statement.Raw), "it refers to a flowtable")
			}
		})
	}
}

// ruleOf are expressions as a rule holds them.
func ruleOf(exprs [][]byte) []byte {
	b := nlmsg.NewBuilder(nlmsg.LittleEndian, nil)
	for _, e := range exprs {
		b.Data(nlmsg.NFTAListElem, e)
	}
	return b.Bytes()
}

// A rule that leads to what offloads is refused in its place by kernels.
func TestSpecOffloads(t *testing.T) {
	raw := rawOf(nlmsg.Native(), "flow_offload", flowtableNamed("fast"))
	jump := rawOf(nlmsg.Native(), "immediate", func(b *nlmsg.Builder) {
		data := b.Nest(nlmsg.NFTAImmediateData)
		verdict := b.Nest(nlmsg.NFTADataVerdict)
		b.String(nlmsg.NFTAVerdictChain, "middle")
		b.EndNest(verdict)
		b.EndNest(data)
	})
	spec := Spec{Tables: []Table{{
		Name: "fw", Flowtables: []flowtable.Spec{{Name: "fast"}},
		Chains: []Chain{
			{Name: "forward", Hook: Forward, Rules: []Rule{R(jump), R(Jump("other")), R(Counter())}},
			{Name: "middle", Rules: []Rule{R(Jump("deepest"))}},
			{Name: "deepest", Rules: []Rule{R(raw)}},
			{Name: "other", Rules: []Rule{R(Counter())}},
		},
	}}}
	resolved, err := spec.Resolve(&flowtable.Target{})
	require.NoError(t, err)
	plan, err := Diff(nil, resolved)
	require.NoError(t, err)
	var leads []bool
	for _, op := range plan.Operations() {
		if op.Kind == KindRule {
			leads = append(leads, spec.Offloads(op))
		} else {
			assert.False(t, spec.Offloads(op), "%v", op)
		}
	}
	assert.ElementsMatch(t, []bool{true, false, false, true, true, false}, leads)
}

// Nothing that a policy adds `flow add` to has one of its own.
func TestPoliciesTakeNoRawFlowAdd(t *testing.T) {
	raw := rawOf(nlmsg.Native(), "flow_offload", flowtableNamed("fast"))
	policy := Policy{Flowtable: "fast"}
	policy.Only.Also = []Statement{raw}
	spec := Spec{Tables: []Table{{Name: "fw", Flowtables: []flowtable.Spec{{Name: "fast"}}, Offload: []Policy{policy}}}}
	require.ErrorContains(t, spec.Validate(), "adds flow add itself")
	policy = Policy{Flowtable: "fast"}
	policy.Except.Rules = []Rule{R(raw)}
	spec.Tables[0].Offload[0] = policy
	require.ErrorContains(t, spec.Validate(), "flow add in an exclusion")
}

// Lint reads a raw flow add as any other, and the kill switch keeps a chain that a raw statement jumps to.
func TestRawFlowAddIsLinted(t *testing.T) {
	raw := rawOf(nlmsg.Native(), "flow_offload", flowtableNamed("fast"))
	spec := Spec{Tables: []Table{{
		Name: "fw", Flowtables: []flowtable.Spec{{Name: "fast"}},
		Chains: []Chain{
			{Name: "forward", Hook: Forward, Rules: []Rule{R(raw), R(TCPDport.Is(22), Drop())}},
			{Name: "lost", Rules: []Rule{R(raw)}},
		},
	}}}
	var codes []string
	for _, f := range spec.Lint() {
		codes = append(codes, f.Code)
	}
	assert.ElementsMatch(t, []string{"unreachable-flow-add", "drop-behind-offload", "unreplied-udp"}, codes)

	policy := Policy{Flowtable: "fast", Inline: true}
	jump := rawOf(nlmsg.Native(), "immediate", func(b *nlmsg.Builder) {
		data := b.Nest(nlmsg.NFTAImmediateData)
		verdict := b.Nest(nlmsg.NFTADataVerdict)
		b.String(nlmsg.NFTAVerdictChain, policy.chain())
		b.EndNest(verdict)
		b.EndNest(data)
	})
	spec = Spec{Tables: []Table{{
		Name: "fw", Flowtables: []flowtable.Spec{{Name: "fast"}}, Offload: []Policy{policy},
		Chains: []Chain{{Name: "forward", Hook: Forward, Rules: []Rule{R(jump)}}},
	}}}
	chains := spec.WithoutFlowtables().Tables[0].Chains
	require.Len(t, chains, 2)
	assert.Equal(t, policy.chain(), chains[1].Name)
}
