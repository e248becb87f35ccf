//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// proofTime is how long a connection has to come to its path.
const proofTime = 20 * time.Second

// A tally counts connections by the path that was proven for them.
type tally struct{ flows, fast, slow, failed int }

// String is the appliance's last line.
func (t tally) String() string {
	return fmt.Sprintf("appliance: %d flows, %d fast, %d slow by policy, %d failed", t.flows, t.fast, t.slow, t.failed)
}

// A call is a connection from the house, and the path that it should take.
type call struct {
	name, network string
	family        testns.Family
	port          uint16
	want          testns.Path
}

// sendTraffic opens connections and proves their paths: messages come and go, both directions of the connection count them, and the
// forward hook sees all of them or none.
func (s *story) sendTraffic(ctx context.Context) (result tally, err error) {
	s.title(3, "Traffic from the house: what the forward hook saw, and what the connection counted")
	port, err := strconv.ParseUint(telephony, 10, 16)
	if err != nil {
		return result, err
	}
	phone, err := testns.Serve(s.router.Server, uint16(port))
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, phone.Close()) }()
	web := s.router.Echo.Port()
	for _, c := range []call{
		{"masqueraded", "tcp", testns.IPv4, web, testns.SoftwarePath},
		{"masqueraded", "udp", testns.IPv4, web, testns.SoftwarePath},
		{"routed", "tcp", testns.IPv6, web, testns.SoftwarePath},
		{"routed", "udp", testns.IPv6, web, testns.SoftwarePath},
		{"telephony", "udp", testns.IPv4, phone.Port(), testns.SlowPath},
	} {
		result.flows++
		proven, err := s.prove(ctx, c)
		switch {
		case err != nil:
			result.failed++
			fmt.Fprintf(s.out, "%-12s %s %v: FAILED: %v\n", c.name, c.network, c.family, err)
		case proven == testns.SlowPath:
			result.slow++
		default:
			result.fast++
		}
	}
	return result, nil
}

// prove opens a connection and drives it until it is proven to be on its path.
func (s *story) prove(ctx context.Context, c call) (testns.Path, error) {
	ctx, cancel := context.WithTimeout(ctx, proofTime)
	defer cancel()
	flow, err := testns.Dial(ctx, s.router.Client, testns.DialConfig{
		Network: c.network, To: netip.AddrPortFrom(s.router.ServerAddr(c.family), c.port),
	})
	if err != nil {
		return testns.Unproven, err
	}
	defer flow.Close()
	evidence, err := s.router.Reaches(ctx, flow, c.want)
	if err != nil {
		return testns.Unproven, err
	}
	seen := evidence.Forwarded()
	sent, received, _ := evidence.Counted()
	fmt.Fprintf(s.out, "%-12s %s %v: %d round trips, forward hook +%d/+%d packets, connection +%d/+%d: %s\n", c.name, c.network, c.family,
		evidence.RoundTrips, seen.Original.Packets, seen.Reply.Packets, sent.Packets, received.Packets, c.want)
	return c.want, nil
}
