package offload_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestDocsOldNFTHidesPrefixes: nft of Debian 12 and 13 list a ruleset without the flowtables that have a name prefix, and exit with 0, while these carry
// connections. What they list refers to a flowtable that is not there, so that it cannot be loaded again.
func TestDocsOldNFTHidesPrefixes(t *testing.T) {
	l := newLab(t, nil)
	if !l.kernel.AtLeast(6, 16) {
		t.Skip("not on this kernel: it takes no prefixes")
	}
	prefixes := flowtable.Spec{Name: "fast", Devices: []flowtable.Selector{{Prefix: "lan"}, {Prefix: "wan"}}}
	require.NoError(t, l.NS.IP(t.Context(), "link add other0 type dummy"))
	spec := accelerate(ruleset.Inet, prefixes)
	spec.Tables[0].Flowtables = append(spec.Tables[0].Flowtables, flowtable.Spec{Name: "named", Devices: names("other0")})
	l.apply(t, spec)
	f := l.dialFast(t, "tcp", testns.IPv4)
	require.Contains(t, listing(t, l.NS), "devices = { lan*, wan* }")
	for _, c := range []struct{ release, version string }{{"bookworm", "v1.0.6"}, {"trixie", "v1.1.3"}} {
		t.Run(c.version, func(t *testing.T) {
			folder := filepath.Join("/usr/lib", "nft-"+c.release)
			if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
				t.Skip("needs the nft of " + c.release + ": make test")
			}
			nft := func(input string, args ...string) (string, error) {
				return l.NS.Run(t.Context(), input, "env", append([]string{"LD_LIBRARY_PATH=" + folder, filepath.Join(folder, "nft")}, args...)...)
			}
			version, err := nft("", "--version")
			require.NoError(t, err)
			require.Contains(t, version, c.version)

			flowtables, err := nft("", "list", "flowtables")
			require.NoError(t, err)
			assert.Contains(t, flowtables, "flowtable named {", "names are listed")
			assert.NotContains(t, flowtables, "flowtable fast")
			saved, err := nft("", "list", "ruleset")
			require.NoError(t, err)
			assert.NotContains(t, saved, "flowtable fast")
			assert.Contains(t, saved, "flow add @fast")
			_, err = nft("flush ruleset\n"+saved, "-c", "-f", "-")
			assert.ErrorContains(t, err, "No such file or directory", "it cannot be loaded")
			assert.Zero(t, l.forwarded(t, f, func() { talk(t, f, trips, 100) }), "the connection is in the fast path all the same")
		})
	}
}
