package kernel

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/nlsock"
)

// defaultRoutes are the indexes of the links that default routes of the main table lead to, IPv4 and IPv6, each once, sorted. It
// needs no privilege. Routes by nexthop object count where the kernel tells their devices too (net.ipv4.nexthop_compat_mode, on
// unless switched off). Of IPv4 the beginning of the table is read, of IPv6 all of it.
func (k *Kernel) defaultRoutes(ctx context.Context) ([]int, error) {
	var found []int
	err := retry(ctx, func() error {
		sock, err := k.ns.Dial(unix.NETLINK_ROUTE, nlsock.Config{Strict: true})
		if err != nil {
			return err
		}
		defer sock.Close()
		six, err := defaultRoutesOf(ctx, sock, unix.AF_INET6)
		if err != nil {
			return err
		}
		four, err := defaultRoutesOf(ctx, sock, unix.AF_INET) // last: it leaves the rest of the dump unread
		found = append(six, four...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the default routes of %s: %w", k.ns.Label(), err)
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

func defaultRoutesOf(ctx context.Context, sock *nlsock.Socket, family byte) ([]int, error) {
	o := nlmsg.Native()
	b := nlmsg.NewBuilder(o, nil)
	b.Begin(unix.RTM_GETROUTE, nlmsg.FlagRequest|nlmsg.FlagDump, 0)
	b.Raw([]byte{0: family, 4: unix.RT_TABLE_MAIN, routeHeader - 1: 0})
	b.End()
	var found []int
	for m, err := range sock.Dump(ctx, b.Bytes()) {
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EAFNOSUPPORT) {
			return nil, nil // the family has no such table, or the kernel no such family
		}
		if err != nil {
			return nil, err
		}
		if m.Type != unix.RTM_NEWROUTE {
			continue
		}
		r, err := parseRoute(o, m.Data)
		if err != nil {
			return nil, err
		}
		if r.family == unix.AF_INET && r.table == unix.RT_TABLE_MAIN && r.far() {
			break // IPv4 tables are read in the order of addresses (fib_table_dump, net/ipv4/fib_trie.c): there may be a million more
		}
		if r.family == family && r.isDefault() && r.table == unix.RT_TABLE_MAIN {
			found = append(found, r.links...)
		}
	}
	return found, nil
}

// A route is what is to be known of one. Only those of IPv4 and IPv6 have a prefix.
type route struct {
	family, kind byte         // AF_*, RTN_*
	to           netip.Prefix // its bits are 0 for a default route
	table        uint32
	cached       bool  // a copy for one destination, not an entry of a table
	links        []int // indexes, several with more than one path
}

func (r route) isDefault() bool {
	return r.to.IsValid() && r.to.Bits() == 0 && r.kind == unix.RTN_UNICAST && !r.cached
}

// far reports that the destination's address is not 0.
func (r route) far() bool { return !r.to.Addr().IsUnspecified() }

// parseRoute decodes rtmsg and its attributes (include/uapi/linux/rtnetlink.h).
func parseRoute(o nlmsg.Order, data []byte) (route, error) {
	if len(data) < routeHeader {
		return route{}, fmt.Errorf("%w: a route of %d bytes", nlmsg.ErrMalformed, len(data))
	}
	r := route{family: data[0], table: uint32(data[4]), kind: data[7], cached: o.Uint32(data[8:])&unix.RTM_F_CLONED != 0}
	var destination []byte
	err := nlmsg.EachAttr(o, data[routeHeader:], func(a nlmsg.Attr) (err error) {
		switch a.Type {
		case unix.RTA_TABLE:
			r.table, err = number(o, a)
		case unix.RTA_DST:
			destination = a.Data
		case unix.RTA_OIF:
			var link int
			link, err = index(o, a)
			r.links = append(r.links, link)
		case unix.RTA_MULTIPATH:
			var links []int
			links, err = nexthops(o, a.Data)
			r.links = append(r.links, links...)
		}
		return err
	})
	if err == nil && (r.family == unix.AF_INET || r.family == unix.AF_INET6) {
		r.to, err = destinationOf(r.family, data[1], destination)
	}
	return r, err
}

// destinationOf is the prefix that a route leads to: RTA_DST, which a default route need not have, and rtm_dst_len.
func destinationOf(family, bits byte, dst []byte) (netip.Prefix, error) {
	addr := netip.IPv4Unspecified()
	if family == unix.AF_INET6 {
		addr = netip.IPv6Unspecified()
	}
	length := addr.BitLen()
	if len(dst) > 0 || bits > 0 {
		addr, _ = netip.AddrFromSlice(dst)
	}
	to, err := addr.Prefix(int(bits))
	if err != nil || addr.BitLen() != length {
		return netip.Prefix{}, fmt.Errorf("%w: a route of family %d for %d bits of %x", nlmsg.ErrMalformed, family, bits, dst[:min(len(dst), 16)])
	}
	return to, nil
}

// nexthops are the links of RTA_MULTIPATH: struct rtnexthop, each with attributes behind it.
func nexthops(o nlmsg.Order, b []byte) ([]int, error) {
	const header = 8
	var links []int
	for len(b) >= header {
		n := int(o.Uint16(b))
		if n < header || n > len(b) {
			return nil, fmt.Errorf("%w: a nexthop of %d bytes, %d are there", nlmsg.ErrMalformed, n, len(b))
		}
		links = append(links, max(0, int(int32(o.Uint32(b[4:])))))
		b = b[min((n+3)&^3, len(b)):]
	}
	return links, nil
}
