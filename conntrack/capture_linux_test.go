package conntrack

import (
	"context"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/nlsock"
	"github.com/go-fastpath/fastpath/internal/testns"
)

var captureTo = flag.String("capture", "", "file that TestCapture writes this kernel's messages to; in a virtual machine it is written anyway")

// TestCapture takes messages off this kernel and decodes them; with -capture it writes them down for testdata.
func TestCapture(t *testing.T) {
	r := mixture(t)
	ctx := within(t, 30*time.Second)
	ns, err := nlsock.OpenNamespace(r.NS.Path())
	require.NoError(t, err)
	defer ns.Close()
	events, err := ns.Dial(unix.NETLINK_NETFILTER, nlsock.Config{Groups: []uint32{
		nlmsg.GroupConntrackNew, nlmsg.GroupConntrackUpdate, nlmsg.GroupConntrackDestroy}})
	require.NoError(t, err)
	defer events.Close()

	flow := r.DialT(t, "tcp", testns.IPv4)
	talk(t, ctx, flow, 1)
	offloadSome(t, ctx, r)
	var out strings.Builder
	release, err := testns.Kernel()
	require.NoError(t, err)
	fmt.Fprintf(&out, "# ctnetlink messages from nfgenmsg on, %v, as Linux %d.%d sent them; taken by\n", nlmsg.Native(), release.Major, release.Minor)
	fmt.Fprintf(&out, "#   go test ./conntrack -run TestCapture -capture FILE\n")
	sock, err := ns.Dial(unix.NETLINK_NETFILTER, nlsock.Config{})
	require.NoError(t, err)
	defer sock.Close()
	b := nlmsg.NewBuilder(nlmsg.Native(), nil)
	dumpRequest(b, &Match{})
	seen := 0
	for m, err := range sock.Dump(ctx, b.Bytes()) {
		require.NoError(t, err)
		writeCaptured(t, &out, "dump", m)
		seen++
	}
	require.Greater(t, seen, 10)

	w := open(t, r.NS, Config{})
	victims, err := w.Evict(ctx, Match{}, false)
	require.NoError(t, err)
	require.Len(t, victims, seen)
	kinds := map[string]int{}
	for m, err := range events.Queued(ctx) {
		require.NoError(t, err)
		kind := "update"
		switch {
		case m.Type&0xff == nlmsg.CTDelete:
			kind = "destroy"
		case m.Flags&nlmsg.FlagCreate != 0:
			kind = "new"
		}
		kinds[kind]++
		writeCaptured(t, &out, kind, m)
	}
	require.NotZero(t, kinds["new"])
	require.NotZero(t, kinds["update"])
	require.Equal(t, seen, kinds["destroy"])
	if dir := os.Getenv("FASTPATH_OUT"); dir != "" && *captureTo == "" {
		*captureTo = fmt.Sprintf("%s/linux-%d.%d.txt", dir, release.Major, release.Minor)
	}
	if *captureTo != "" {
		require.NoError(t, os.WriteFile(*captureTo, []byte(out.String()), 0o644))
	}
}

// offloadSome puts one flow on the hardware path and one on the software path, where the kernel has flowtables.
func offloadSome(t *testing.T, ctx context.Context, r *testns.Router) {
	t.Helper()
	if have, _ := testns.HaveFlowtables(ctx); !have {
		return
	}
	accelerate(t, ctx, r, "hard", "flags offload", "meta l4proto tcp")
	accelerate(t, ctx, r, "soft", "", "meta l4proto udp")
	talk(t, ctx, r.DialT(t, "tcp", testns.IPv4), 5)
	talk(t, ctx, r.DialT(t, "udp", testns.IPv6), 5)
	w := open(t, r.NS, Config{})
	for _, p := range []Path{Software, Hardware} {
		require.NoError(t, testns.Poll(ctx, often, func() (bool, error) {
			got, err := entries(ctx, w, Match{Paths: []Path{p}})
			return len(got) > 0, err
		}))
	}
}

func writeCaptured(t *testing.T, out *strings.Builder, kind string, m nlmsg.Message) {
	t.Helper()
	e, err := Decode(nil, m.Data)
	require.NoError(t, err)
	fmt.Fprintf(out, "# %v\n%s %s\n", e, kind, hex.EncodeToString(m.Data))
}
