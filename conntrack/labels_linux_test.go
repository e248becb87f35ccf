package conntrack

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// What nft sets as label n is bit n here, on either byte order; the conntrack tool calls it n, or n^96 on a big-endian machine.
func TestLabelsOfNFT(t *testing.T) {
	bits := []uint8{0, 1, 31, 32, 63, 64, 100, 127}
	ns := testns.NewT(t, "labels")
	ctx := within(t, 60*time.Second)
	var rules strings.Builder
	for _, bit := range bits {
		fmt.Fprintf(&rules, "udp dport %d ct label set %d;", 5000+int(bit), bit)
	}
	require.NoError(t, ns.NFT(ctx, "table inet t { chain c { type filter hook output priority filter; "+rules.String()+" }; }"))
	require.NoError(t, ns.Do(func() error {
		for _, bit := range bits {
			c, err := net.Dial("udp", fmt.Sprintf("127.0.0.1:%d", 5000+int(bit)))
			if err != nil {
				return err
			}
			if _, err := c.Write([]byte("x")); err != nil {
				return err
			}
			if err := c.Close(); err != nil {
				return err
			}
		}
		return nil
	}))
	// The tool names the bits of its map, which this makes in a mount namespace of its own.
	var names strings.Builder
	for bit := range 128 {
		fmt.Fprintf(&names, "%d bit%d\n", bit, bit)
	}
	listing, err := ns.Run(ctx, "", "unshare", "--mount", "sh", "-ec",
		`mount -t tmpfs tmpfs /etc; mkdir /etc/xtables; printf '%s' "$1" >/etc/xtables/connlabel.conf; conntrack -L -p udp -o labels`, "sh", names.String())
	require.NoError(t, err)
	all, err := entries(ctx, open(t, ns, Config{}), Match{Proto: UDP})
	require.NoError(t, err)
	for _, want := range bits {
		i := slices.IndexFunc(all, func(e Entry) bool { return e.Orig.Dst.Port() == 5000+uint16(want) })
		require.GreaterOrEqual(t, i, 0, "label %d", want)
		for bit := range uint8(128) {
			assert.Equal(t, bit == want, all[i].Labels.Has(bit), "label %d, bit %d: %v", want, bit, all[i].Labels)
		}
		theirs := want
		if nlmsg.Native() == nlmsg.BigEndian {
			theirs ^= 96
		}
		line := slices.IndexFunc(lines(listing), func(s string) bool { return strings.Contains(s, fmt.Sprintf(" dport=%d [", 5000+int(want))) })
		require.GreaterOrEqual(t, line, 0, "%s", listing)
		assert.Regexp(t, fmt.Sprintf(`labels=bit%d\b`, theirs), lines(listing)[line])
	}
}
