package ruleset

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// TestDeclaredAgainstNFT hands each ruleset to nft in both forms. Without its flowtables it must load everywhere, and list the
// same from both forms; with them nft must at least be able to read it: what can fail then is the kernel.
func TestDeclaredAgainstNFT(t *testing.T) {
	testns.RequireNamespaces(t)
	for _, c := range declared() {
		t.Run(c.name, func(t *testing.T) {
			ns := testns.NewT(t, "check")
			for _, text := range []string{writeNFT(t, c.spec), planText(t, c.spec)} {
				_, err := ns.Run(testContext(t), text, "nft", "-c", "-f", "-")
				if err != nil {
					assert.Contains(t, err.Error(), "Could not process rule", "nft cannot read:\n%s", text)
				}
			}
			spec := withoutFlowtables(c.spec)
			want := listed(t, writeNFT(t, spec))
			assert.Equal(t, want, listed(t, planText(t, spec)))
			assert.Equal(t, strings.Count(writeNFT(t, spec), "\n\tchain "), strings.Count(want, "\n\tchain "))
		})
	}
}

// withoutFlowtables leaves out what a kernel without flowtables cannot take, of policies too.
func withoutFlowtables(s *Spec) *Spec {
	c := s.lowered()
	c = cloneSpec(&c)
	for i := range c.Tables {
		c.Tables[i].Flowtables = nil
		for j := range c.Tables[i].Chains {
			rules := c.Tables[i].Chains[j].Rules
			for k := range rules {
				var do []Statement
				for _, st := range rules[k].Do {
					if st.FlowAdd == "" {
						do = append(do, st)
					}
				}
				rules[k].Do = do
			}
		}
	}
	return &c
}

// TestNamesAgainstNFT puts our text of a ruleset with unusual but valid names and texts to nft.
func TestNamesAgainstNFT(t *testing.T) {
	testns.RequireNamespaces(t)
	odd := &Spec{Owner: "Größe 7; # { } $x \\", Tables: []Table{{
		Family: IP, Name: ".rules-v4/" + strings.Repeat("n", 200),
		Sets: []Set{{Name: "_a.b-c/d", Type: IfName, Elements: []string{"wän", "-", "eth0.7"}}},
		Chains: []Chain{
			{Name: "filter", Hook: Forward, Priority: "-2147483648", Rules: []Rule{
				R(IIFName.In("_a.b-c/d"), Log("; # { } \\ '")).Note("; # { } $x \\ ä" + strings.Repeat("c", 112)),
				R(Jump("data")), R(Counter(), Goto("tables")),
			}},
			{Name: "data"}, {Name: "tables"}, {Name: "nat", Type: NATChain, Hook: Output, Priority: "2147483647"},
		},
	}}}
	require.NoError(t, odd.Validate())
	want := listed(t, writeNFT(t, odd))
	assert.Equal(t, want, listed(t, planText(t, odd)))
	for _, piece := range []string{"managed by Größe 7; # { } $x \\", "_a.b-c/d", `"wän"`, "; # { } $x \\ ä", "priority -2147483648", "priority 2147483647", "goto tables"} {
		assert.Contains(t, want, piece)
	}
}
