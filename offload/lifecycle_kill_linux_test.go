package offload

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// kept is what the process of TestRunIsKilled keeps.
func kept() *ruleset.Spec {
	return &ruleset.Spec{Tables: []ruleset.Table{{
		Name:       "accel",
		Flowtables: []flowtable.Spec{{Name: "fast", Devices: []flowtable.Selector{{Name: "lan0"}, {Name: "wan0"}}}},
		Chains: []ruleset.Chain{{Name: "accelerate", Hook: ruleset.Forward, Rules: []ruleset.Rule{
			ruleset.R(ruleset.L4Proto.Is(ruleset.TCP, ruleset.UDP), ruleset.FlowAdd("fast")),
		}}},
	}}}
}

// keptByNft is the same as someone else would have written it, with our mark: its rules bear no identity, as those of another version
// of this library would.
const keptByNft = `
table inet accel {
	comment "managed by fastpath"
	flowtable fast { hook ingress priority filter; devices = { lan0, wan0 }; counter; }
	chain accelerate {
		type filter hook forward priority filter; policy accept;
		meta l4proto { tcp, udp } flow add @fast
	}
}
`

// childRun runs a Manager, and says when it is steady, until it is killed.
func childRun(ctx context.Context, m *Manager) error {
	ctx = context.WithoutCancel(ctx)
	go func() {
		for s := range m.Statuses(ctx) {
			if s.Phase == PhaseSteady {
				fmt.Printf("steady after %d changes\n", s.Changes)
				return
			}
		}
	}()
	return m.Run(ctx, kept())
}

// TestRunIsKilled kills a process that runs a Manager, again and again, also over a table that it did not make: the next one takes the
// table as it is. The flowtable is the same, and a flow never leaves the fast path.
func TestRunIsKilled(t *testing.T) {
	testns.RequireFlowtables(t)
	testns.CheckLeaks(t)
	for name, c := range map[string]struct {
		before string // loaded by nft
		adopts string // what the first process says
	}{
		"its own table":              {"", "steady after 1 changes\n"},
		"a table of another version": {keptByNft, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := testns.NewRouterT(t, &testns.RouterConfig{Sysctls: map[string]string{
				"net.netfilter.nf_flowtable_tcp_timeout": "600", "net.netfilter.nf_flowtable_udp_timeout": "600",
			}})
			kill := func() {}
			if c.before == "" {
				var said string
				said, kill = keep(t, r.NS)
				assert.Equal(t, c.adopts, said)
			} else {
				require.NoError(t, r.NS.NFT(t.Context(), c.before))
			}
			flow := r.DialT(t, "tcp", testns.IPv4)
			testns.AssertSoftwarePath(t, r, flow, time.Minute)
			handle := flowtableHandle(t, r.NS)
			before, err := r.Forwarded(t.Context(), flow.Tuple())
			require.NoError(t, err)
			traffic := flow.Start(20, 100)
			for range 3 {
				kill()
				var said string
				start := time.Now()
				said, kill = keep(t, r.NS)
				t.Logf("%v after its start: %s", time.Since(start).Round(time.Millisecond), said)
			}
			kill()
			report := traffic.Close()
			require.NoError(t, report.Err)
			require.Positive(t, report.Received)
			after, err := r.Forwarded(t.Context(), flow.Tuple())
			require.NoError(t, err)
			assert.Equal(t, before, after, "the flow left the fast path")
			assert.Equal(t, handle, flowtableHandle(t, r.NS), "the flowtable was made anew")
			testns.AssertSoftwarePath(t, r, flow, time.Minute)
		})
	}
}

// keep starts a process that runs a Manager, and returns what it said when it was steady, and how it is killed.
func keep(t *testing.T, ns *testns.Namespace) (said string, kill func()) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), childVariable+"=run")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, ns.Start(cmd))
	done := false
	kill = func() {
		if !done {
			done = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}
	t.Cleanup(kill)
	said, err = bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	return said, kill
}

var handleOfFlowtable = regexp.MustCompile(`flowtable fast \{ # handle (\d+)`)

func flowtableHandle(t *testing.T, ns *testns.Namespace) string {
	t.Helper()
	text, err := ns.Run(t.Context(), "", "nft", "-a", "list", "table", "inet", "accel")
	require.NoError(t, err)
	found := handleOfFlowtable.FindStringSubmatch(text)
	require.Len(t, found, 2, text)
	return found[1]
}
