package kernel

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/nlsock"
)

const (
	routeHeader = 12     // struct rtmsg, struct fib_rule_hdr
	fibMatch    = 0x2000 // RTM_F_FIB_MATCH: the entry that is found, and not the path that is chosen from it
	toTable     = 1      // FR_ACT_TO_TBL
)

// Devices tells by which device packets for each address leave, as far as that is certain: the address is missing where there is
// no route, more than one path, or where routing looks at more than the destination, and it is there without a name where it is
// the machine's own. A flowtable takes packets from an address by that device alone, too (net/netfilter/nft_flow_offload.c, nft_flow_route).
func (k *Kernel) Devices(ctx context.Context, addrs []netip.Addr) (map[netip.Addr]string, error) {
	sock, err := k.ns.Dial(unix.NETLINK_ROUTE, nlsock.Config{})
	if err != nil {
		return nil, err
	}
	defer sock.Close()
	found := map[netip.Addr]string{}
	if plain, err := plainRouting(ctx, sock); err != nil || !plain {
		return found, k.routeError(err)
	}
	links, err := k.links(ctx)
	if err != nil {
		return nil, err
	}
	names := map[int]string{}
	for _, l := range links {
		names[l.Index] = l.Name
	}
	for _, a := range addrs {
		if _, ok := found[a]; ok {
			continue
		}
		index, own, err := deviceFor(ctx, sock, a)
		if err != nil {
			return nil, k.routeError(err)
		}
		if name := names[index]; own {
			found[a] = ""
		} else if name != "" {
			found[a] = name
		}
	}
	return found, nil
}

func (k *Kernel) routeError(err error) error {
	if err != nil {
		return fmt.Errorf("look up routes of %s: %w", k.ns.Label(), err)
	}
	return nil
}

// addUnderlays finds out by which devices tunnels go that are bound to none, as far as the route to the other end tells for certain.
func (k *Kernel) addUnderlays(ctx context.Context, links []flowtable.Link) error {
	bound := func(l flowtable.Link) bool { return l.Remote == "" || l.Parent != 0 }
	if !slices.ContainsFunc(links, func(l flowtable.Link) bool { return !bound(l) }) {
		return nil
	}
	sock, err := k.ns.Dial(unix.NETLINK_ROUTE, nlsock.Config{})
	if err != nil {
		return err
	}
	defer sock.Close()
	if plain, err := plainRouting(ctx, sock); err != nil || !plain {
		return k.routeError(err)
	}
	for i := range links {
		remote, err := netip.ParseAddr(links[i].Remote)
		if err != nil || bound(links[i]) {
			continue
		}
		device, own, err := deviceFor(ctx, sock, remote)
		if err != nil {
			return k.routeError(err)
		}
		if !own && device != links[i].Index {
			links[i].Underlay = device
		}
	}
	return nil
}

// plainRouting reports whether routing rules lead to the tables local, main and default alone.
func plainRouting(ctx context.Context, sock *nlsock.Socket) (bool, error) {
	plain := true
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		b := nlmsg.NewBuilder(nlmsg.Native(), nil)
		b.Begin(unix.RTM_GETRULE, nlmsg.FlagRequest|nlmsg.FlagDump, 0)
		b.Raw([]byte{family, routeHeader - 1: 0})
		b.End()
		for m, err := range sock.Dump(ctx, b.Bytes()) {
			if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EAFNOSUPPORT) {
				break // this kernel has no such rules, or no such family
			}
			if err != nil {
				return false, err
			}
			if m.Type == unix.RTM_NEWRULE && len(m.Data) >= routeHeader && m.Data[0] == family {
				plain = plain && isPlainRule(m.Data)
			}
		}
	}
	return plain, nil
}

// isPlainRule reports whether a rule, of struct fib_rule_hdr and attributes, leads to one of the tables local, main and default.
func isPlainRule(data []byte) bool {
	return len(data) >= routeHeader && data[7] == toTable && data[4] >= unix.RT_TABLE_DEFAULT
}

// deviceFor is the index of the device that one route leads to, 0 if there is not exactly one, and whether the address is the machine's own.
func deviceFor(ctx context.Context, sock *nlsock.Socket, a netip.Addr) (device int, own bool, err error) {
	answer, err := routeTo(ctx, sock, a, fibMatch)
	for _, data := range answer {
		if err == nil {
			device, own, err = parseWay(nlmsg.Native(), data)
		}
	}
	return device, own, err
}

// parseWay decodes the route to an address: its device, 0 if there is not exactly one, and whether the address is the machine's own.
func parseWay(o nlmsg.Order, data []byte) (device int, own bool, err error) {
	r, err := parseRoute(o, data)
	if err == nil && len(r.links) == 1 {
		device = r.links[0]
	}
	return device, r.kind == unix.RTN_LOCAL, err
}

// routeTo asks for the route to an address and returns the data of the answer; there is none where there is no route.
func routeTo(ctx context.Context, sock *nlsock.Socket, a netip.Addr, flags uint32) (routes [][]byte, err error) {
	o := nlmsg.Native()
	family := byte(unix.AF_INET)
	if a.Is6() {
		family = unix.AF_INET6
	}
	header := []byte{family, byte(a.BitLen()), routeHeader - 1: 0}
	copy(header[8:], o.AppendUint32(nil, flags))
	b := nlmsg.NewBuilder(o, nil)
	b.Begin(unix.RTM_GETROUTE, nlmsg.FlagRequest|nlmsg.FlagAck, 0)
	b.Raw(header)
	b.Data(unix.RTA_DST, a.AsSlice())
	b.End()
	answer, err := sock.Do(ctx, b.Bytes())
	var refused *nlsock.RequestError
	if errors.As(err, &refused) {
		return nil, nil
	}
	for _, m := range answer {
		if m.Type == unix.RTM_NEWROUTE {
			routes = append(routes, m.Data)
		}
	}
	return routes, err
}
