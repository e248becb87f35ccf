package offload_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
)

// Devices: 10.0.N.x is reached by hwN, 10.1.N.x by swN.
func (a *asked) Devices(_ context.Context, addrs []netip.Addr) (map[netip.Addr]string, error) {
	found := map[netip.Addr]string{}
	for _, addr := range addrs {
		switch b := addr.As4(); b[1] {
		case 0:
			found[addr] = "hw" + string('0'+rune(b[2]))
		case 1:
			found[addr] = "sw" + string('0'+rune(b[2]))
		}
	}
	return found, nil
}

// between is a connection in the fast path between two hosts; the port tells it from others.
func between(k *asked, from, to string, port uint16, status conntrack.Status) conntrack.Entry {
	src := netip.AddrPortFrom(netip.MustParseAddr(from), 4000)
	dst := netip.AddrPortFrom(netip.MustParseAddr(to), port)
	return k.AddFlow(conntrack.Entry{
		Orig:   conntrack.Tuple{Src: src, Dst: dst, Proto: conntrack.TCP},
		Reply:  conntrack.Tuple{Src: dst, Dst: src, Proto: conntrack.TCP},
		Status: status | conntrack.SeenReply | conntrack.Assured | conntrack.Confirmed,
	})
}

const inHardware = conntrack.Offload | conntrack.HWOffload

// Flows that used the hardware flowtable by the device that left it are evicted, and no other.
func TestMovesEvictWhatTheyStrand(t *testing.T) {
	m, k := onMachine(t, offload.RunConfig{})
	k.SetSysctl("net.netfilter.nf_conntrack_tcp_loose", "1")
	spec := auto(flowtable.HardwareAuto, "hw0", "hw1", "hw2", "sw0", "sw1")
	applySpec(t, m, spec)
	require.Equal(t, map[string]string{"fw": "hw0 hw1 hw2 sw0 sw1", "fw_hw": "hw: hw0 hw1 hw2"}, flowtablesOf(t, k))
	between(k, "10.0.0.1", "10.0.1.1", 1, inHardware)
	between(k, "10.0.0.1", "10.0.2.1", 2, inHardware)
	between(k, "10.0.2.1", "10.0.1.1", 3, conntrack.Offload) // its driver takes no more rules
	between(k, "10.0.2.1", "10.1.0.1", 4, conntrack.Offload) // in software all along
	between(k, "10.1.0.1", "10.1.1.1", 5, conntrack.Offload)
	between(k, "10.0.2.1", "10.0.1.1", 6, 0) // not offloaded
	between(k, "10.2.2.1", "10.0.2.1", 7, inHardware)
	nat := between(k, "10.0.2.1", "10.0.1.1", 8, inHardware)
	nat.Status |= conntrack.SrcNAT
	nat.Reply.Dst = netip.MustParseAddrPort("192.0.2.1:4000")
	require.True(t, k.SetFlow(nat))

	k.setFeature("hw2", "off")
	applySpec(t, m, spec)
	require.Equal(t, "hw: hw0 hw1", flowtablesOf(t, k)["fw_hw"])
	assert.Equal(t, []uint16{1, 4, 5, 6, 7, 8}, ports(t, k.Kernel), "2 and 3 were carried by way of hw2; 8 would break, of 7 routes tell nothing")
}

// setFeature is ethtool -K DEVICE hw-tc-offload on|off.
func (a *asked) setFeature(device, value string) {
	a.ChangeLink(device, func(l *flowtable.Link) { l.TCOffload = value })
}

// A hardware flowtable is granted by the first flow in hardware, and only looked at until then.
func TestRunTellsWhatDriversCarry(t *testing.T) {
	m, k := onMachine(t, offload.RunConfig{Resync: -1})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx, auto(flowtable.HardwareAuto, "hw0", "hw1", "sw0")) }()
	defer func() {
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	}()
	waitFor := func(want string) {
		t.Helper()
		for s := range m.Statuses(ctx) {
			if s.Phase == offload.PhaseSteady && len(s.Flowtables) == 1 && s.Flowtables[0].Hardware == want {
				return
			}
		}
		require.Fail(t, "it never was "+want)
	}
	waitFor("asked")
	between(k, "10.0.0.1", "10.1.0.1", 1, conntrack.Offload)
	between(k, "10.0.0.1", "10.0.1.1", 2, inHardware)
	waitFor("granted")
}

// Where somebody else has drivers carry flows too, the devices of a flow tell whose it is.
func TestGrantsByDevices(t *testing.T) {
	m, k := onMachine(t, offload.RunConfig{Resync: -1})
	other := auto(flowtable.HardwareOn, "hw2")
	other.Owner, other.Tables[0].Name = "other", "theirs"
	applySpec(t, m, other)
	applySpec(t, m, auto(flowtable.HardwareAuto, "hw0", "hw1"))
	state := func() string {
		t.Helper()
		m, err := offload.Open(t.Context(), &offload.Config{Kernel: k})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		ended := make(chan error, 1)
		go func() { ended <- m.Run(ctx, auto(flowtable.HardwareAuto, "hw0", "hw1")) }()
		defer func() {
			cancel()
			require.ErrorIs(t, <-ended, context.Canceled)
			require.NoError(t, m.Close())
		}()
		for s := range m.Statuses(ctx) {
			if s.Phase == offload.PhaseSteady {
				return s.Flowtables[0].Hardware
			}
		}
		return "ended"
	}
	between(k, "10.0.2.1", "10.0.2.2", 1, inHardware)
	between(k, "10.2.2.1", "10.0.0.2", 2, inHardware)
	assert.Equal(t, "asked", state())
	between(k, "10.0.0.1", "10.0.1.2", 3, inHardware)
	assert.Equal(t, "granted", state())
}
