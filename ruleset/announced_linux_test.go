package ruleset

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// TestAnnouncedByNFT reads what nft makes of rules written by hand, and what the kernel makes of ours.
func TestAnnouncedByNFT(t *testing.T) {
	testns.RequireFlowtables(t)
	for name, c := range map[string]struct {
		rules string
		want  map[uint32]string
	}{
		"or":             {"flow add @fast ct mark set ct mark | 0x100", map[uint32]string{0x100: "fast"}},
		"or, in words":   {"ct state established flow add @fast counter ct mark set ct mark or 0x80000000", map[uint32]string{0x80000000: "fast"}},
		"and, or":        {"flow add @fast ct mark set ct mark and 0xffff00ff or 0x100", map[uint32]string{0x100: "fast"}},
		"a number":       {"flow add @other ct mark set 4", map[uint32]string{4: "other"}},
		"each its own":   {"tcp dport 80 flow add @fast ct mark set ct mark | 1\nflow add @other ct mark set ct mark | 2", map[uint32]string{1: "fast", 2: "other"}},
		"meta mark":      {"flow add @fast ct mark set meta mark | 0x100", nil},
		"xor":            {"flow add @fast ct mark set ct mark ^ 0x100", nil},
		"a number of 3":  {"flow add @fast ct mark set 3", nil},
		"saved by other": {"flow add @fast ct mark set ct mark | 0x100\nct mark set meta mark", nil},
		"map of another": {"flow add @fast ct mark set ct mark | 0x100\nct mark set tcp dport map { 80 : 1, 81 : 2 }", nil},
		"spared":         {"flow add @fast ct mark set ct mark | 0x100\nct mark set ct mark & 0xff | 0x10\nmeta mark set ct mark", map[uint32]string{0x100: "fast"}},
		"nothing":        {"flow add @fast", nil},
	} {
		t.Run(name, func(t *testing.T) {
			ns := testns.NewT(t, "announced")
			require.NoError(t, ns.NFT(testContext(t), "table inet theirs {\nflowtable fast { hook ingress priority 0; }\nflowtable other { hook ingress priority 1; }\n"+
				"chain c {\ntype filter hook forward priority 0;\n"+c.rules+"\n}\n}\n"))
			if c.want == nil {
				c.want = map[uint32]string{}
			}
			assert.Equal(t, c.want, loadFrom(t, ns).Announced())
		})
	}
	ns := testns.NewT(t, "announced")
	ours := policyTable(Inet, Policy{Flowtable: "fast", Announce: "0x100", Counter: true, After: Threshold{Packets: 5}})
	require.NoError(t, ns.IP(testContext(t), "link add lan0 type veth peer name wan0"))
	apply(t, ns, ours)
	assert.Equal(t, ours.Announced(), loadFrom(t, ns).Announced())
}
