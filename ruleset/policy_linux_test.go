package ruleset

import (
	"testing"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// TestPoliciesAgainstNFT lets the kernel and nft take what policies compile to, without flowtables, and compares what nft lists
// with what it lists for its own reading of our text.
func TestPoliciesAgainstNFT(t *testing.T) {
	testns.RequireNamespaces(t)
	for name, spec := range policies() {
		t.Run(name, func(t *testing.T) {
			plain := withoutFlowtables(spec)
			ns := testns.NewT(t, "ours")
			apply(t, ns, plain)
			compareLines(t, listed(t, nftText(t, plain)), listing(t, ns))
		})
	}
}
