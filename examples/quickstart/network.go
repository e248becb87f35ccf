//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// A network is the demo's router with two pairs of devices, and the hosts around it, all in namespaces of its own.
//
//	client 192.168.1.2 ── lan0 [router] wan0 ── 203.0.113.2 server     flowtable "fast"
//	guest  192.168.2.2 ── lan1 [router] wan1 ── 198.51.100.2 server    flowtable "wired"
//
// Every host has an IPv6 address as well.
type network struct {
	*testns.Router
	inside    *testns.Server // what the port forward leads to
	simulated bool           // a module of the test kernel plays the hardware
}

// The server's addresses behind wan1.
var (
	wired4 = netip.MustParseAddr("198.51.100.2")
	wired6 = netip.MustParseAddr("2001:db8:4::2")
)

// port of all echo servers.
const port = 7007

func buildNetwork(ctx context.Context) (*network, error) {
	router, err := testns.NewRouter(ctx, &testns.RouterConfig{SecondLAN: true, Port: port})
	if err != nil {
		return nil, err
	}
	n := &network{Router: router}
	if err := n.addSecondWAN(ctx); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	if n.inside, err = testns.Serve(router.Client, port); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	// Veth devices carry nothing in hardware. To ask them all the same is not harmless: after a refused attempt Linux 6.1 to 7.2
	// crashes when the next driver registers. So the demo asks only where the simulator stands behind them.
	_, err = os.Stat("/sys/module/fastpath_hwsim")
	n.simulated = err == nil
	return n, nil
}

// addSecondWAN joins router and server by a second link, which the guest's network uses both ways.
func (n *network) addSecondWAN(ctx context.Context) error {
	err := n.NS.IP(ctx,
		"link add wan1 type veth peer name eth1 netns "+n.Server.ToolPath(),
		"addr add 198.51.100.1/24 dev wan1",
		"addr add 2001:db8:4::1/64 dev wan1 nodad",
		"link set wan1 up")
	if err != nil {
		return err
	}
	return n.Server.IP(ctx,
		fmt.Sprintf("addr add %v/24 dev eth1", wired4),
		fmt.Sprintf("addr add %v/64 dev eth1 nodad", wired6),
		"link set eth1 up",
		"route add 192.168.2.0/24 via 198.51.100.1",
		"route add 2001:db8:3::/64 via 2001:db8:4::1")
}

// Path is the router's namespace, for the library.
func (n *network) Path() string { return n.NS.Path() }

func (n *network) describe(out io.Writer) {
	release := "unknown"
	if kernel, err := testns.Kernel(); err == nil {
		release = kernel.Text
	}
	fmt.Fprintf(out, "kernel %s\n", release)
	fmt.Fprintln(out, "client --- lan0 [router] wan0 --- server    IPv4 masqueraded, port 8080 forwarded to the client")
	fmt.Fprint(out, "guest  --- lan1 [router] wan1 --- server    hardware offload: ")
	if n.simulated {
		fmt.Fprintln(out, "simulated, the kernel module fastpath_hwsim plays the driver")
	} else {
		fmt.Fprintln(out, "left out, no simulator is loaded (make demo KERNEL=6.12 has one)")
	}
}

// Close ends the servers and the namespaces with all that is in them.
func (n *network) Close() error {
	var err error
	if n.inside != nil {
		err = n.inside.Close()
	}
	return errors.Join(err, n.Router.Close())
}
