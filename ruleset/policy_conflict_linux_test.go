package ruleset

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// TestConflicts loads rules of others with nft and asks which of them use bit 0x100 of the ct mark.
func TestConflicts(t *testing.T) {
	testns.RequireNamespaces(t)
	uses := []string{
		"ct mark 5", "ct mark != 0", "ct mark { 1, 2 }", "ct mark 1-5", "ct mark & 0x100 == 0", "ct mark & 0xff00 != 0x1200",
		"ct mark set 1", "ct mark set meta mark", "ct mark set ct mark | 0x100", "ct mark set ct mark & 0xff", "ct mark set ct mark ^ 0x100",
		"meta mark set ct mark", "meta mark set ct mark & 0xfff", "ct mark . ip saddr @pairs", "ip saddr . ct mark @swapped", "ct mark set meta mark map { 1 : 2 }",
		"meta mark set ct mark map { 1 : 2 }", "ct mark & 0x100 == 0x100 counter accept", "update @seen { ct mark }",
		"meta mark set ct mark and 0xff0f or 0x10",
	}
	spares := []string{
		"ct mark & 0xff == 5", "ct mark & 0xff0000ff { 0x1, 0x2 }", "ct mark set ct mark | 0x10", "ct mark set ct mark & 0xffffff0f", "ct mark set ct mark & 0xffffff0f | 0x50",
		"meta mark 0x100", "meta mark set 0x100", "meta mark set ct mark & 0xff", "ct state new ct zone 256", "ip saddr 0.0.1.0", "tcp dport 256 counter drop",
		"ct mark & 0xff == 1 meta mark set meta mark | 0x100", "ct label 5", "ct original packets > 256",
	}
	ns := testns.NewT(t, "conflicts")
	text := "table inet theirs {\nset pairs { type mark . ipv4_addr; }\nset swapped { type ipv4_addr . mark; }\nset seen { type mark; flags dynamic; }\nchain c {\ntype filter hook prerouting priority 0;\n"
	for _, rule := range append(append([]string{}, uses...), spares...) {
		text += rule + " comment \"" + rule + "\"\n"
	}
	require.NoError(t, ns.NFT(testContext(t), text+"}\n}\n"))
	ours := oneTable(Table{Name: "ours", Chains: []Chain{{Name: "c", Rules: []Rule{R(CTMark.Set(0x100, 0x100))}}}})
	apply(t, ns, ours)
	have := loadFrom(t, ns)
	r := resolved(t, policyTable(Inet, Policy{Flowtable: "fast", Announce: "0x100"}))
	var got []string
	for _, f := range ofCode(r.Conflicts(have), "announced-bit") {
		for i := range have.Rules() {
			rule := have.Rules()[i]
			if strings.HasPrefix(f.Text, fmt.Sprintf("rule inet theirs c handle %d uses bit 0x100 of the ct mark", rule.Handle)) {
				got = append(got, rule.Comment)
			}
		}
	}
	assert.Equal(t, uses, got)
	assert.Empty(t, ofCode(resolved(t, policyTable(Inet, Policy{Flowtable: "fast"})).Conflicts(have), "announced-bit"), "nothing is announced")
	assert.Empty(t, r.Conflicts(nil))
}
