package ruleset

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestWithoutFlowtables: over all rulesets of the world, what is left is valid, mentions no flowtable, keeps the sets, is left as it is
// by a second time, and shares nothing with the Spec.
func TestWithoutFlowtables(t *testing.T) {
	for name, spec := range DeclaredSpecs() {
		t.Run(name, func(t *testing.T) {
			before, err := json.Marshal(spec)
			require.NoError(t, err)
			without := spec.WithoutFlowtables()
			require.NoError(t, without.Validate())
			text := writeNFT(t, without)
			assert.NotContains(t, text, "flow add")
			assert.NotContains(t, text, "flowtable")
			again := without.WithoutFlowtables()
			assert.Equal(t, without, again)
			for i := range spec.Tables {
				assert.Equal(t, len(spec.Tables[i].Sets), len(without.Tables[i].Sets))
			}
			scribble(without)
			after, err := json.Marshal(spec)
			require.NoError(t, err)
			assert.JSONEq(t, string(before), string(after))
		})
	}
}

// scribble writes over all that a copy could share.
func scribble(s *Spec) {
	for i := range s.Tables {
		for j := range s.Tables[i].Sets {
			s.Tables[i].Sets[j].Name = "scribbled"
			clear(s.Tables[i].Sets[j].Elements)
		}
		for j := range s.Tables[i].Chains {
			c := &s.Tables[i].Chains[j]
			c.Name = "scribbled"
			for k := range c.Rules {
				for _, st := range c.Rules[k].Do {
					if st.Match != nil {
						clear(st.Match.Is)
						st.Match.Field = "scribbled"
					}
				}
				clear(c.Rules[k].Do)
			}
		}
	}
}

// TestWithoutFlowtablesCuts: what stands in front of `flow add` stays, what stands behind goes.
func TestWithoutFlowtablesCuts(t *testing.T) {
	offloading := Statement{Raw: &Raw{Text: "flow add @fast", Expr: [][]byte{append([]byte{17, 0, 1, 0}, "flow_offload\x00\x00\x00\x00"...)}}}
	rules := []Rule{
		R(CTState.Is(Established), FlowAdd("fast"), Accept()).Note("only matches are left"),
		R(CTState.Is(Established), Limit(10, "second"), FlowAdd("fast")).Note("and a limit"),
		R(CTState.Is(Established), Counter(), FlowAdd("fast"), Accept()).Note("counts"),
		R(MetaMark.Set(1, 1), FlowAdd("fast"), CTMark.Set(2, 2)).Note("marks"),
		R(Counter(), offloading, Accept()).Note("raw"),
		R(offloading).Note("raw alone"),
		R(Drop()).Note("stays"),
	}
	spec := oneTable(Table{Name: "x", Flowtables: fast("fast", "", "lan0"), Chains: []Chain{
		{Name: "forward", Hook: Forward, Policy: VerdictDrop, Rules: rules},
		{Name: "alone", Hook: Forward, Priority: "filter + 5", Rules: []Rule{R(FlowAdd("fast"))}},
	}})
	without := spec.WithoutFlowtables()
	var left []string
	for _, r := range without.Tables[0].Chains[0].Rules {
		left = append(left, ruleText(Inet, &r))
	}
	assert.Equal(t, []string{
		`counter comment "raw"`, `drop comment "stays"`,
	}, left[len(left)-2:])
	require.Len(t, left, 4)
	assert.Equal(t, `ct state established counter comment "counts"`, left[0])
	assert.True(t, strings.HasSuffix(left[1], `comment "marks"`) && !strings.Contains(left[1], "ct mark"), left[1])
	assert.Equal(t, VerdictDrop, without.Tables[0].Chains[0].Policy)
	assert.Empty(t, without.Tables[0].Chains[1].Rules)
	assert.Equal(t, Hook(Forward), without.Tables[0].Chains[1].Hook, "an empty chain stays")
}

// TestWithoutFlowtablesInline: the chain of an inline policy stays as long as something jumps to it.
func TestWithoutFlowtablesInline(t *testing.T) {
	spec := policies()["inline"]
	chains := spec.WithoutFlowtables().Tables[0].Chains
	require.Len(t, chains, 2)
	assert.Equal(t, Chain{Name: "offload-fast"}, chains[1])
	spec.Tables[0].Chains[0].Rules = spec.Tables[0].Chains[0].Rules[1:]
	assert.Len(t, spec.WithoutFlowtables().Tables[0].Chains, 1, "nobody jumps there")
}
