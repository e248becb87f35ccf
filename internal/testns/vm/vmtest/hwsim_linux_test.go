package vmtest

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

const params = "/sys/module/fastpath_hwsim/parameters/"

func readParam(t *testing.T, name string) int {
	t.Helper()
	testns.RequireSimulator(t)
	b, err := os.ReadFile(params + name)
	require.NoError(t, err)
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	require.NoError(t, err)
	return n
}

// setParam writes a parameter and restores it when the test ends.
func setParam(t *testing.T, name, value string) {
	t.Helper()
	testns.RequireSimulator(t)
	old, err := os.ReadFile(params + name)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(params+name, []byte(value), 0o644))
	t.Cleanup(func() { os.WriteFile(params+name, old, 0o644) })
}

const hardwareTable = `add table inet t
add flowtable inet t f { hook ingress priority 0; devices = { ra, rb }; flags offload; counter; }
add chain inet t y { type filter hook forward priority 0; policy accept; }
add rule inet t y meta l4proto { tcp, udp } flow add @f
`

func nft(ns, text string) error {
	cmd := exec.Command("ip", "netns", "exec", ns, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// flow is the conntrack line of the echo traffic. Its original direction is
// the answer's if that was the first packet since connections are tracked.
func flow(t *testing.T) string {
	t.Helper()
	return sh(t, "ip netns exec r conntrack -L -p udp 2>/dev/null | grep port=7000 || true")
}

func TestSimulatorTakesFlows(t *testing.T) {
	inVM(t)
	router(t)
	bound, offered := readParam(t, "n_bind"), readParam(t, "n_replace")
	require.NoError(t, nft("r", hardwareTable))
	require.Equal(t, bound+2, readParam(t, "n_bind"))
	traffic(t)
	awaitFlow(t, "the flow is in hardware", inHardware)
	// News of a route may take the flow out of the table and the next packet bring it back, so rules are counted that live.
	require.True(t, poll(func() bool { return readParam(t, "n_rules") == 2 }), "one rule for each direction")
	require.GreaterOrEqual(t, readParam(t, "n_replace"), offered+2)

	unbound := readParam(t, "n_unbind")
	require.NoError(t, nft("r", "delete table inet t\n"))
	require.Equal(t, unbound+2, readParam(t, "n_unbind"))
	require.Zero(t, readParam(t, "n_rules"), "UNBIND drops the rules")
}

func TestSimulatorCounts(t *testing.T) {
	inVM(t)
	router(t)
	setParam(t, "st_pkts", "1000000")
	setParam(t, "st_bytes", "64000000")
	sh(t, "ip netns exec r sh -c 'echo 5 > /proc/sys/net/netfilter/nf_flowtable_udp_timeout'")
	require.NoError(t, nft("r", hardwareTable))
	stop := traffic(t)
	awaitFlow(t, "the flow is in hardware", inHardware)
	stop() // packets in software would go on prolonging the flow, and only a flow that ages is asked for statistics
	awaitFlow(t, "the driver's packets reach conntrack", func(line string) bool {
		for _, f := range strings.Fields(line) {
			if n, ok := strings.CutPrefix(f, "packets="); ok {
				v, err := strconv.Atoi(n)
				return err == nil && v > 1000000
			}
		}
		return false
	})
}

func TestSimulatorRejectsRules(t *testing.T) {
	inVM(t)
	router(t)
	setParam(t, "reject", "95")
	offered := readParam(t, "n_replace")
	require.NoError(t, nft("r", hardwareTable))
	traffic(t)
	require.True(t, poll(func() bool { return readParam(t, "n_replace") > offered }), "no rule was offered")
	require.Contains(t, flow(t), "[OFFLOAD]")
	require.Zero(t, readParam(t, "n_rules"))

	setParam(t, "reject", "0")
	awaitFlow(t, "a refreshed flow is offered again", inHardware)
}

// TestSimulatorRefusesDevices refuses in every position, often, beside devices
// that are accepted: nothing of it may hurt the kernel.
func TestSimulatorRefusesDevices(t *testing.T) {
	inVM(t)
	router(t)
	sh(t, "ip -n r link add hwno0 type dummy; ip -n r link add yes0 type dummy; ip -n r link add yes1 type dummy")
	refused := readParam(t, "n_refused")
	bound, unbound := readParam(t, "n_bind"), readParam(t, "n_unbind")
	for range 6 {
		for _, devices := range []string{"hwno0", "hwno0, yes0", "yes0, hwno0, yes1"} {
			err := nft("r", "add table inet t\nadd flowtable inet t f { hook ingress priority 0; devices = { "+devices+" }; flags offload; }\n")
			require.ErrorContains(t, err, "Operation not supported")
		}
		require.NoError(t, nft("r", "add table inet t\nadd flowtable inet t f { hook ingress priority 0; devices = { yes0, yes1 }; flags offload; }\n"))
		require.NoError(t, nft("r", "delete table inet t\n"))
	}
	require.Equal(t, refused+18, readParam(t, "n_refused"))
	require.Equal(t, readParam(t, "n_bind")-bound, readParam(t, "n_unbind")-unbound, "what was bound was unbound")
	require.NoError(t, nft("r", "add table inet t\nadd flowtable inet t f { hook ingress priority 0; devices = { hwno0 }; }\n"), "without the flag")

	setParam(t, "refuse", "yes1,foo")
	require.NoError(t, nft("r", "add table inet u\nadd flowtable inet u f { hook ingress priority 0; devices = { hwno0, yes0 }; flags offload; }\n"))
	require.Error(t, nft("r", "add table inet v\nadd flowtable inet v f { hook ingress priority 0; devices = { yes1 }; flags offload; }\n"))
}

// TestBoundDevicesMayVanish takes a namespace, and a device, away under a bound flowtable with live flows.
func TestBoundDevicesMayVanish(t *testing.T) {
	inVM(t)
	router(t)
	bound, unbound := readParam(t, "n_bind"), readParam(t, "n_unbind")
	require.NoError(t, nft("r", hardwareTable))
	traffic(t)
	awaitFlow(t, "the flow is in hardware", inHardware)
	sh(t, "ip -n r link del ra")
	require.Equal(t, bound+2, readParam(t, "n_bind"))
	require.Equal(t, unbound+1, readParam(t, "n_unbind"))
	sh(t, "ip netns del r")
	require.True(t, poll(func() bool { return readParam(t, "n_unbind") == unbound+2 }), "the namespace did not go")
	require.Zero(t, readParam(t, "n_rules"))
}
