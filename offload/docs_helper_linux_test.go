package offload_test

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// The tests named TestDocs prove, one claim each, what the kernel's Documentation/networking/nf_flowtable.rst says, end to end: a Spec
// in Go, planned and applied by a Manager, traffic, a Watcher, and beside it the independent proof of testns. docs/KERNELS.md lists
// what differs between kernels.

const (
	// within is how long anything may take in software emulation on a busy machine.
	within = time.Minute
	// patience is the timeout of flowtables in a lab: no flow idles into it while such a machine is about something else.
	patience = 10 * time.Minute
	// tick is the pause between two looks at a condition.
	tick = 50 * time.Millisecond
	// trips is how many round trips tell a fast flow from a slow one.
	trips = 20
)

// A lab is a router in namespaces of its own, with the Manager and the Watcher of its network namespace.
type lab struct {
	*testns.Router
	manager *offload.Manager
	watcher *conntrack.Watcher
	kernel  testns.Release
}

// newLab makes a lab that ends with the test. It skips the test on a kernel without flowtables.
func newLab(t *testing.T, config *testns.RouterConfig) *lab {
	t.Helper()
	testns.RequireFlowtables(t)
	l := &lab{Router: testns.NewRouterT(t, patient(config))}
	var err error
	l.kernel, err = testns.Kernel()
	require.NoError(t, err)
	l.manager = openManager(t, l.NS)
	l.watcher, err = conntrack.Open(t.Context(), &conntrack.Config{NetNS: l.NS.Path(), Poll: 4 * tick, PollMost: 4 * tick})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, l.watcher.Close()) })
	return l
}

// patient is a configuration whose flows stay offloaded for long, unless it says otherwise.
func patient(config *testns.RouterConfig) *testns.RouterConfig {
	c := testns.RouterConfig{}
	if config != nil {
		c = *config
	}
	sysctls := map[string]string{tcpTimeout: seconds(patience), udpTimeout: seconds(patience)}
	maps.Copy(sysctls, c.Sysctls)
	c.Sysctls = sysctls
	return &c
}

// The sysctls of a network namespace that say after how many seconds without packets a flow leaves its flowtable.
const (
	tcpTimeout = "net.netfilter.nf_flowtable_tcp_timeout"
	udpTimeout = "net.netfilter.nf_flowtable_udp_timeout"
)

// seconds writes a duration as a sysctl.
func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

func openManager(t *testing.T, ns *testns.Namespace) *offload.Manager {
	t.Helper()
	m, err := offload.Open(t.Context(), &offload.Config{NetNS: ns.Path()})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, m.Close()) })
	return m
}

// apply makes the declaration the router's ruleset.
func (l *lab) apply(t *testing.T, spec ruleset.Spec) {
	t.Helper()
	apply(t, l.manager, spec)
}

func apply(t *testing.T, m *offload.Manager, spec ruleset.Spec) {
	t.Helper()
	plan, err := m.Plan(t.Context(), &spec)
	require.NoError(t, err)
	_, err = m.Apply(t.Context(), plan)
	require.NoError(t, err, "%v", plan)
}

// names selects devices by their exact names.
func names(devices ...string) []flowtable.Selector {
	var s []flowtable.Selector
	for _, d := range devices {
		s = append(s, flowtable.Selector{Name: d})
	}
	return s
}

// fast is a flowtable over both sides of the router, all else zero.
func (l *lab) fast() flowtable.Spec {
	return flowtable.Spec{Name: "fast", Devices: names(l.LANDevice, l.WANDevice)}
}

// accelerate declares a table with one flowtable and a forward chain that offloads all TCP and UDP to it, then further chains.
func accelerate(family ruleset.Family, f flowtable.Spec, more ...ruleset.Chain) ruleset.Spec {
	return ruleset.Spec{Tables: []ruleset.Table{{
		Family:     family,
		Name:       "accel",
		Flowtables: []flowtable.Spec{f},
		Chains: append([]ruleset.Chain{{
			Name:  "accelerate",
			Hook:  ruleset.Forward,
			Rules: []ruleset.Rule{ruleset.R(ruleset.L4Proto.Is(ruleset.TCP, ruleset.UDP), ruleset.FlowAdd(f.Name))},
		}}, more...),
	}}}
}

// eachFamily runs a test over IPv4 and IPv6.
func eachFamily(t *testing.T, test func(t *testing.T, fam testns.Family)) {
	for _, fam := range testns.Families() {
		t.Run(fam.String(), func(t *testing.T) { test(t, fam) })
	}
}

// eachFlow runs a test over TCP and UDP, IPv4 and IPv6.
func eachFlow(t *testing.T, test func(t *testing.T, network string, fam testns.Family)) {
	for _, network := range []string{"tcp", "udp"} {
		t.Run(network, func(t *testing.T) {
			eachFamily(t, func(t *testing.T, fam testns.Family) { test(t, network, fam) })
		})
	}
}

// eachPair runs a test over TCP on IPv4 and UDP on IPv6, where the one has nothing to do with the other.
func eachPair(t *testing.T, test func(t *testing.T, network string, fam testns.Family)) {
	t.Run("tcp/ipv4", func(t *testing.T) { test(t, "tcp", testns.IPv4) })
	t.Run("udp/ipv6", func(t *testing.T) { test(t, "udp", testns.IPv6) })
}

// dialFast opens a flow from the client to the server and returns when it is proven on the software path.
func (l *lab) dialFast(t *testing.T, network string, fam testns.Family) *testns.Flow {
	t.Helper()
	f := l.DialT(t, network, fam)
	talk(t, f, 3, 100) // brings it to the fast path, so that the first measurement of the proof is enough
	testns.AssertSoftwarePath(t, l.Router, f, within)
	return f
}

// talk drives n verified round trips of size bytes.
func talk(t *testing.T, f *testns.Flow, n, size int) testns.Talk {
	t.Helper()
	said, err := f.RoundTrip(t.Context(), n, size)
	require.NoError(t, err)
	return said
}

// forwarded is what the forward hook sees of a flow while something is done. The flow must have been proven or watched before.
func (l *lab) forwarded(t *testing.T, f *testns.Flow, do func()) testns.Forwarded {
	t.Helper()
	before, err := l.Forwarded(t.Context(), f.Tuple())
	require.NoError(t, err)
	do()
	after, err := l.Forwarded(t.Context(), f.Tuple())
	require.NoError(t, err)
	return after.Sub(before)
}

// echo is the address of the echo server.
func (l *lab) echo(fam testns.Family) netip.AddrPort {
	return netip.AddrPortFrom(l.ServerAddr(fam), l.Echo.Port())
}

// matchOf selects a flow for the Watcher, by its original tuple.
func matchOf(f *testns.Flow) conntrack.Match {
	t := f.Tuple()
	proto := uint8(conntrack.TCP)
	if t.Network == "udp" {
		proto = conntrack.UDP
	}
	return conntrack.Match{Tuple: conntrack.Tuple{Src: t.Source, Dst: t.Destination, Proto: proto}}
}

// find is the Watcher's entry of a flow, if there is one.
func (l *lab) find(ctx context.Context, f *testns.Flow) (entry conntrack.Entry, ok bool, err error) {
	for e, err := range l.watcher.Entries(ctx, matchOf(f)) {
		if err != nil {
			return conntrack.Entry{}, false, err
		}
		entry, ok = e, true
	}
	return entry, ok, nil
}

// entry is the Watcher's entry of a flow.
func (l *lab) entry(t *testing.T, f *testns.Flow) conntrack.Entry {
	t.Helper()
	e, ok, err := l.find(t.Context(), f)
	require.NoError(t, err)
	require.True(t, ok, "conntrack has no entry of %v", f)
	return e
}

// key names the present entry of a flow.
func (l *lab) key(t *testing.T, f *testns.Flow) conntrack.Key {
	t.Helper()
	e := l.entry(t, f)
	return e.Key()
}

// path is the path of a flow as the Watcher tells it.
func (l *lab) path(t *testing.T, f *testns.Flow) conntrack.Path {
	t.Helper()
	e := l.entry(t, f)
	return e.Path()
}

// awaitEntry returns the Watcher's entry of a flow as soon as it fulfils a condition.
func (l *lab) awaitEntry(t *testing.T, f *testns.Flow, what string, ok func(conntrack.Entry) bool) conntrack.Entry {
	t.Helper()
	var last conntrack.Entry
	err := await(t, func(ctx context.Context) (bool, error) {
		e, found, err := l.find(ctx, f)
		last = e
		return found && ok(e), err
	})
	require.NoError(t, err, "waiting for %s; last seen: %v", what, last)
	return last
}

// await waits for a condition.
func await(t *testing.T, condition func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	return testns.Poll(ctx, tick, func() (bool, error) { return condition(ctx) })
}

// tool is the conntrack tool's entry of a flow.
func (l *lab) tool(t *testing.T, f *testns.Flow) testns.Entry {
	t.Helper()
	e, err := testns.Conntrack(t.Context(), l.NS, f.Tuple())
	require.NoError(t, err)
	return e
}

var countedPackets = regexp.MustCompile(`counter packets (\d+)`)

// packetsIn adds up what the counters of a chain in the router show. The chain is named as nft lists it: "inet x y".
func (l *lab) packetsIn(t *testing.T, chain ...string) int {
	t.Helper()
	text, err := l.NS.Run(t.Context(), "", "nft", append([]string{"list", "chain"}, chain...)...)
	require.NoError(t, err)
	counters := countedPackets.FindAllStringSubmatch(text, -1)
	require.NotEmpty(t, counters, "no counter in %v:\n%s", chain, text)
	sum := 0
	for _, c := range counters {
		n, err := strconv.Atoi(c[1])
		require.NoError(t, err)
		sum += n
	}
	return sum
}

// udpOverhead is the size of the IP and UDP headers, in bytes.
func udpOverhead(fam testns.Family) uint64 {
	if fam == testns.IPv6 {
		return 40 + 8
	}
	return 20 + 8
}

// hostPrefix is the address of one host as a prefix.
func hostPrefix(a netip.Addr) string { return fmt.Sprintf("%v/%d", a, a.BitLen()) }
