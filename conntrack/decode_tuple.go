package conntrack

import (
	"fmt"
	"net/netip"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

func (d *decoder) tuple(t *Tuple, b []byte) error {
	if d.usualTuple(t, b) {
		return nil
	}
	return d.anyTuple(t, b)
}

func (d *decoder) anyTuple(t *Tuple, b []byte) error {
	var src, dst netip.Addr
	var sport, dport uint16
	for len(b) > 0 {
		a, rest, err := nlmsg.NextAttr(d.order, b)
		if err != nil {
			return err
		}
		b = rest
		switch a.Type {
		case nlmsg.CTATupleIP:
			src, dst, err = d.addresses(a.Data)
		case nlmsg.CTATupleProto:
			sport, dport, err = d.proto(t, a.Data)
		case nlmsg.CTATupleZone:
			t.Zone, err = a.Uint16BE()
		}
		if err != nil {
			return err
		}
	}
	if !src.IsValid() || !dst.IsValid() || src.Is4() != dst.Is4() {
		return fmt.Errorf("%w: a tuple without two addresses of one family", nlmsg.ErrMalformed)
	}
	t.Src, t.Dst = netip.AddrPortFrom(src, sport), netip.AddrPortFrom(dst, dport)
	return nil
}

func (d *decoder) addresses(b []byte) (src, dst netip.Addr, err error) {
	for len(b) > 0 {
		var a nlmsg.Attr
		if a, b, err = nlmsg.NextAttr(d.order, b); err != nil {
			return src, dst, err
		}
		var ip netip.Addr
		switch a.Type {
		case nlmsg.CTAIPv4Src, nlmsg.CTAIPv4Dst:
			ip, err = address(a, 4)
		case nlmsg.CTAIPv6Src, nlmsg.CTAIPv6Dst:
			ip, err = address(a, 16)
		default:
			continue
		}
		if err != nil {
			return src, dst, err
		}
		if a.Type == nlmsg.CTAIPv4Src || a.Type == nlmsg.CTAIPv6Src {
			src = ip
		} else {
			dst = ip
		}
	}
	return src, dst, nil
}

func address(a nlmsg.Attr, size int) (netip.Addr, error) {
	if len(a.Data) != size {
		return netip.Addr{}, fmt.Errorf("%w: address attribute %d has %d bytes, needs %d", nlmsg.ErrMalformed, a.Type, len(a.Data), size)
	}
	ip, _ := netip.AddrFromSlice(a.Data)
	return ip, nil
}

func (d *decoder) proto(t *Tuple, b []byte) (sport, dport uint16, err error) {
	for len(b) > 0 && err == nil {
		var a nlmsg.Attr
		if a, b, err = nlmsg.NextAttr(d.order, b); err != nil {
			break
		}
		switch a.Type {
		case nlmsg.CTAProtoNum:
			t.Proto, err = a.Uint8()
		case nlmsg.CTAProtoSrcPort:
			sport, err = a.Uint16BE()
		case nlmsg.CTAProtoDstPort:
			dport, err = a.Uint16BE()
		case nlmsg.CTAProtoICMPID, nlmsg.CTAProtoICMPv6ID:
			t.ICMPID, err = a.Uint16BE()
		case nlmsg.CTAProtoICMPType, nlmsg.CTAProtoICMPv6Type:
			t.ICMPType, err = a.Uint8()
		case nlmsg.CTAProtoICMPCode, nlmsg.CTAProtoICMPv6Code:
			t.ICMPCode, err = a.Uint8()
		}
	}
	return sport, dport, err
}
