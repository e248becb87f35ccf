package kernel

import (
	"encoding/binary"
	"fmt"
	"math"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

const (
	linkHeader      = 16 // struct ifinfomsg
	tunnelRemote    = 3  // IFLA_IPTUN_REMOTE (include/uapi/linux/if_tunnel.h)
	bridgeFiltering = 7  // IFLA_BR_VLAN_FILTERING (include/uapi/linux/if_link.h)
	maxAddress      = 32 // MAX_ADDR_LEN (include/linux/netdevice.h)
	maxVLAN         = 4095
	maxKind         = 63 // a kind is the name of a module; MODULE_NAME_LEN is below 64 (include/linux/moduleparam.h)
)

// parseLink decodes ifinfomsg and its attributes (include/uapi/linux/if_link.h).
func parseLink(o nlmsg.Order, data []byte) (flowtable.Link, error) {
	if len(data) < linkHeader {
		return flowtable.Link{}, fmt.Errorf("%w: a link of %d bytes", nlmsg.ErrMalformed, len(data))
	}
	l := flowtable.Link{Index: int(int32(o.Uint32(data[4:]))), Up: o.Uint32(data[8:])&unix.IFF_UP != 0}
	elsewhere := false
	err := nlmsg.EachAttr(o, data[linkHeader:], func(a nlmsg.Attr) (err error) {
		switch a.Type {
		case unix.IFLA_IFNAME:
			l.Name, err = a.Name(flowtable.MaxDevice)
		case unix.IFLA_LINK:
			l.Parent, err = index(o, a)
		case unix.IFLA_LINK_NETNSID:
			elsewhere = true
		case unix.IFLA_MASTER:
			l.Master, err = index(o, a)
		case unix.IFLA_MTU:
			var mtu uint32
			mtu, err = number(o, a)
			l.MTU = int(min(mtu, math.MaxInt32))
		case unix.IFLA_GROUP:
			l.Group, err = number(o, a)
		case unix.IFLA_OPERSTATE:
			l.State, err = operState(a)
		case unix.IFLA_ADDRESS:
			l.Address, err = linkAddress(a)
		case unix.IFLA_LINKINFO:
			err = linkInfo(o, a.Data, &l)
		}
		return err
	})
	if err == nil && (l.Index < 1 || l.Name == "") {
		err = fmt.Errorf("%w: a link with index %d and name %q", nlmsg.ErrMalformed, l.Index, l.Name)
	}
	if err != nil {
		return l, err
	}
	// A peer is not a device below, and an index of another namespace means nothing in this one.
	if elsewhere || l.Kind == "veth" || l.Kind == "netkit" {
		l.Parent = 0
	}
	if elsewhere {
		l.Conduit, l.Remote = 0, ""
	}
	return l, nil
}

// number reads 32 bits in host byte order.
func number(o nlmsg.Order, a nlmsg.Attr) (uint32, error) {
	if len(a.Data) < 4 {
		return 0, fmt.Errorf("%w: attribute %d of a link has %d bytes, needs 4", nlmsg.ErrMalformed, a.Type, len(a.Data))
	}
	return o.Uint32(a.Data), nil
}

// index reads the index of a device; 0 is none. A negative one is no device's, but kernels keep for tunnels what they were given.
func index(o nlmsg.Order, a nlmsg.Attr) (int, error) {
	n, err := number(o, a)
	return max(0, int(int32(n))), err
}

// operState names a state as `ip link` prints it (RFC 2863, include/uapi/linux/if.h).
func operState(a nlmsg.Attr) (string, error) {
	n, err := a.Uint8()
	names := []string{"UNKNOWN", "NOTPRESENT", "DOWN", "LOWERLAYERDOWN", "TESTING", "DORMANT", "UP"}
	if err != nil || int(n) >= len(names) {
		return "", err
	}
	return names[n], nil
}

// linkAddress spells an address of the link layer; those of IP tunnels are IP addresses.
func linkAddress(a nlmsg.Attr) (string, error) {
	if ip, ok := netip.AddrFromSlice(a.Data); ok {
		return ip.String(), nil
	}
	return hardwareAddress(a)
}

// hardwareAddress spells an address of the link layer.
func hardwareAddress(a nlmsg.Attr) (string, error) {
	if len(a.Data) > maxAddress {
		return "", fmt.Errorf("%w: an address of the link layer has %d bytes, more than %d", nlmsg.ErrMalformed, len(a.Data), maxAddress)
	}
	return net.HardwareAddr(a.Data).String(), nil
}

// linkInfo decodes IFLA_LINKINFO: the kind, and of kinds that name another layer what they say of it.
func linkInfo(o nlmsg.Order, b []byte, l *flowtable.Link) error {
	var data []byte
	err := nlmsg.EachAttr(o, b, func(a nlmsg.Attr) (err error) {
		switch a.Type {
		case unix.IFLA_INFO_KIND:
			l.Kind, err = a.Name(maxKind)
		case unix.IFLA_INFO_DATA:
			data = a.Data
		}
		return err
	})
	if err != nil {
		return err
	}
	switch l.Kind {
	case "vlan":
		l.VLAN, err = vlanInfo(o, data)
	case "bridge":
		err = nlmsg.EachAttr(o, data, func(a nlmsg.Attr) error {
			if a.Type == bridgeFiltering {
				on, err := a.Uint8()
				l.VLANFiltering = on != 0
				return err
			}
			return nil
		})
	case "dsa":
		err = nlmsg.EachAttr(o, data, func(a nlmsg.Attr) (err error) {
			if a.Type == unix.IFLA_DSA_CONDUIT { // IFLA_DSA_MASTER before Linux 6.7
				l.Conduit, err = index(o, a)
			}
			return err
		})
	case "ipip", "ip6tnl":
		err = nlmsg.EachAttr(o, data, func(a nlmsg.Attr) error {
			if ip, ok := netip.AddrFromSlice(a.Data); a.Type == tunnelRemote && ok && !ip.IsUnspecified() {
				l.Remote = ip.String()
			}
			return nil
		})
	}
	return err
}

// vlanInfo decodes the data of kind vlan: the id in host, the protocol in network byte order.
func vlanInfo(o nlmsg.Order, b []byte) (v flowtable.VLAN, err error) {
	err = nlmsg.EachAttr(o, b, func(a nlmsg.Attr) error {
		switch a.Type {
		case unix.IFLA_VLAN_ID:
			if len(a.Data) < 2 {
				return fmt.Errorf("%w: a VLAN id of %d bytes", nlmsg.ErrMalformed, len(a.Data))
			}
			v.ID = o.Uint16(a.Data)
			if v.ID > maxVLAN {
				return fmt.Errorf("%w: a VLAN id of %d", nlmsg.ErrMalformed, v.ID)
			}
		case unix.IFLA_VLAN_PROTOCOL:
			if len(a.Data) < 2 {
				return fmt.Errorf("%w: a VLAN protocol of %d bytes", nlmsg.ErrMalformed, len(a.Data))
			}
			v.Protocol = vlanProtocol(binary.BigEndian.Uint16(a.Data))
		}
		return nil
	})
	return v, err
}

// vlanProtocol is an ethertype's name as `ip -details link` prints it.
func vlanProtocol(ethertype uint16) string {
	switch ethertype {
	case unix.ETH_P_8021Q:
		return "802.1Q"
	case unix.ETH_P_8021AD:
		return "802.1ad"
	}
	return fmt.Sprintf("0x%04x", ethertype)
}
