package offloadtest

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
)

// onMachine is this machine's kernel in a namespace of its own as a scene.
type onMachine struct {
	ns  *testns.Namespace
	k   offload.Kernel
	has bool // flowtables
}

func (s onMachine) kernel() offload.Kernel { return s.k }
func (s onMachine) flowtables() bool       { return s.has }

// lacksHooks: a VM has the module loaded, if its kernel has it.
func (s onMachine) lacksHooks() bool {
	switch s.k.(offload.Modular).Module("nfnetlink_hook").State {
	case offload.ModuleLoaded, offload.ModuleBuiltIn, offload.ModuleAvailable:
		return false
	}
	return true
}

func (s onMachine) ip(t *testing.T, format string, args ...any) {
	t.Helper()
	require.NoError(t, s.ns.IP(soon(t), fmt.Sprintf(format, args...)))
}

func (s onMachine) commit(t *testing.T) {
	t.Helper()
	require.NoError(t, s.ns.NFT(soon(t), "add table inet somebody"))
}

func (s onMachine) link(t *testing.T, name string) {
	t.Helper()
	s.ip(t, "link add %s type veth peer name %sp", name, name)
	s.ip(t, "link set %sp up", name)
	s.ip(t, "link set %s up", name)
	for _, end := range []string{name, name + "p"} { // the kernel tells UP a while after it was asked for
		s.waitFor(t, end, "UP")
	}
}

// waitFor waits until a device is in an operational state.
func (s onMachine) waitFor(t *testing.T, name, state string) {
	t.Helper()
	err := testns.Poll(soon(t), 10*time.Millisecond, func() (bool, error) {
		target, err := s.k.Target(soon(t))
		if err != nil {
			return false, err
		}
		return slices.ContainsFunc(target.Links, func(l flowtable.Link) bool { return l.Name == name && l.State == state }), nil
	})
	require.NoError(t, err, "%s is not %s", name, state)
}

func (s onMachine) bridge(t *testing.T, name, port string) {
	t.Helper()
	s.ip(t, "link add %s type bridge", name)
	s.ip(t, "link set %s master %s", port, name)
	s.ip(t, "link set %s up", name)
}

// route takes a route without a device for the machine's own address.
func (s onMachine) route(t *testing.T, r Route) {
	t.Helper()
	switch {
	case r.Device == "":
		s.ip(t, "addr add %v dev d0", r.To)
	case r.Via.IsValid():
		s.ip(t, "route replace %v via %v dev %s", r.To, r.Via, r.Device)
	default:
		s.ip(t, "route replace %v dev %s", r.To, r.Device)
	}
}

func (s onMachine) neighbour(t *testing.T, device string, addr netip.Addr, address string) {
	t.Helper()
	s.ip(t, "neigh replace %v dev %s lladdr %s", addr, device, address)
}

func (s onMachine) station(t *testing.T, _, address, port string) {
	t.Helper()
	_, err := s.ns.Run(soon(t), "", "bridge", "fdb", "replace", address, "dev", port, "master", "static")
	require.NoError(t, err)
}

// TestCallsReal holds this machine's kernel against the contract of the imitated ones.
func TestCallsReal(t *testing.T) {
	testns.RequireNamespaces(t)
	has, _ := testns.HaveFlowtables(soon(t))
	for call, holds := range calls {
		t.Run(call, func(t *testing.T) {
			testns.CheckLeaks(t)
			ns := testns.NewT(t, "calls")
			k, err := offload.OpenKernel(ns.Path())
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, k.Close()) })
			s := onMachine{ns, k, has}
			s.link(t, "d0")
			s.link(t, "d1")
			holds(t, s)
		})
	}
}
