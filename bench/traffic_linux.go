package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// trafficSpace is a namespace where each packet to an address of 10.0.0.0/8 begins a connection and goes nowhere.
func trafficSpace(ctx context.Context) (*testns.Namespace, error) {
	ns, err := testns.New("bench-traffic")
	if err != nil {
		return nil, err
	}
	err = ns.IP(ctx, "link add out arp off type veth peer name nowhere", "addr add 198.51.100.1/32 dev out", "link set out up",
		"route add 10.0.0.0/8 dev out src 198.51.100.1")
	if err == nil {
		err = ns.NFT(ctx, "table ip track { chain out { type filter hook output priority filter; ct state new counter; }\n}")
	}
	for _, s := range [][2]string{
		{"net.netfilter.nf_conntrack_acct", "1"},
		{"net.netfilter.nf_conntrack_events", "1"},
		{"net.netfilter.nf_conntrack_udp_timeout", "3600"}, // no end disturbs
	} {
		if err == nil {
			err = ns.SetSysctl(s[0], s[1])
		}
	}
	if err != nil {
		return nil, errors.Join(err, ns.Close())
	}
	return ns, nil
}

// trafficWork sends one packet each to so many addresses, in bursts of a millisecond's worth, and counts them.
func trafficWork(ctx context.Context, t *task, _ func()) (r report, err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return r, err
	}
	defer unix.Close(fd)
	cpu, start := processTime(), time.Now()
	to := &unix.SockaddrInet4{Port: 9}
	for r.Count < t.Flows {
		if err := ctx.Err(); err != nil {
			return r, err
		}
		due := min(int(time.Since(start).Seconds()*float64(t.Rate)), t.Flows)
		for ; r.Count < due; r.Count++ {
			to.Addr = address(r.Count).As4()
			if err := unix.Sendto(fd, []byte("begin"), 0, to); err != nil {
				return r, fmt.Errorf("packet %d to %v: %w", r.Count, address(r.Count), err)
			}
		}
		time.Sleep(time.Millisecond)
	}
	r.CPU, r.Wall = processTime()-cpu, time.Since(start)
	return r, nil
}
