package main

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/go-fastpath/fastpath/conntrack"
)

// filterSynopsis is what filters adds to a command.
const filterSynopsis = "[--path P] [--proto P] [--address PREFIX] [--src A:P] [--dst A:P] [--mark V/MASK] [--zone N] [--status S] [--family F] [--device D]"

// A filter says which connections a command is about: all that is given must hold.
type filter struct {
	conntrack.Match
	device string
}

// filters adds the flags of a filter. Those that take a list may also be given several times.
func (a arguments) filters() *filter {
	f := &filter{}
	a.Func("path", "`paths`: slow, software, hardware, unknown", each(f.addPath))
	a.Func("proto", "`protocol`: tcp, udp, gre, or a number", f.setProto)
	a.Func("address", "`prefixes` or addresses, one of which holds an address of the connection, before or after NAT", each(f.addPrefix))
	a.Func("src", "`address:port` where packets of either direction come from; either part may be missing", end(&f.Tuple.Src))
	a.Func("dst", "`address:port` where packets of either direction go to; either part may be missing", end(&f.Tuple.Dst))
	a.Func("mark", "`value/mask` of the ct mark; without a mask all bits", f.setMark)
	a.Func("zone", "conntrack `zones`", each(f.addZone))
	a.Func("status", "`bits` of the status as the kernel names them: assured, seen-reply, src-nat; !assured is one that is not set", each(f.addStatus))
	a.Func("family", "`family`: ipv4 or ipv6", f.setFamily)
	a.StringVar(&f.device, "device", "", "`device` that packets come in or leave by, or that stands under such a one, where routing tells")
	return f
}

// given reports whether anything narrows the connections.
func (f *filter) given(a arguments) bool {
	given := false
	a.Visit(func(one *flag.Flag) {
		switch one.Name {
		case "path", "proto", "address", "src", "dst", "mark", "zone", "status", "family", "device":
			given = true
		}
	})
	return given
}

// check refuses what no connection can match.
func (f *filter) check() error {
	if err := f.Validate(); err != nil {
		return usageError{err}
	}
	return nil
}

// each takes a list apart at its commas.
func each(add func(string) error) func(string) error {
	return func(list string) error {
		var errs []error
		for word := range strings.SplitSeq(list, ",") {
			errs = append(errs, add(strings.TrimSpace(word)))
		}
		return errors.Join(errs...)
	}
}

func (f *filter) addPath(name string) error {
	var path conntrack.Path
	err := path.UnmarshalText([]byte(name))
	f.Paths = append(f.Paths, path)
	return err
}

func (f *filter) setProto(word string) error {
	if n, err := strconv.ParseUint(word, 10, 8); err == nil && n != 0 {
		f.Proto = uint8(n)
		return nil
	}
	for n := range 256 {
		if word != "" && conntrack.ProtocolName(uint8(n)) == strings.ToLower(word) {
			f.Proto = uint8(n)
			return nil
		}
	}
	return fmt.Errorf("no protocol %q: write tcp, udp, udplite, sctp, dccp, gre, icmp, icmpv6, or a number up to 255", word)
}

func (f *filter) addPrefix(word string) error {
	p, err := netip.ParsePrefix(word)
	if addr, e := netip.ParseAddr(word); e == nil {
		p, err = netip.PrefixFrom(addr.WithZone(""), addr.BitLen()), nil
	}
	f.Prefixes = append(f.Prefixes, p.Masked())
	if err != nil {
		return fmt.Errorf("%q is neither an address nor a prefix such as 192.0.2.0/24", word)
	}
	return nil
}

// end reads one end of a tuple: "192.0.2.1:80", "[2001:db8::1]:80", ":80", or an address alone.
func end(to *netip.AddrPort) func(string) error {
	return func(word string) error {
		addr, port, ok := netip.Addr{}, uint64(0), true
		if a, err := netip.ParseAddr(word); err == nil {
			addr = a
		} else if ap, err := netip.ParseAddrPort(word); err == nil {
			addr, port = ap.Addr(), uint64(ap.Port())
		} else if digits, only := strings.CutPrefix(word, ":"); only {
			port, err = strconv.ParseUint(digits, 10, 16)
			ok = err == nil && port != 0
		} else {
			ok = false
		}
		*to = netip.AddrPortFrom(addr, uint16(port))
		if !ok {
			return fmt.Errorf("%q is no end of a connection: write 192.0.2.1:80, [2001:db8::1]:80, :80 or an address", word)
		}
		return nil
	}
}

func (f *filter) setMark(word string) error {
	value, mask, masked := strings.Cut(word, "/")
	v, err := strconv.ParseUint(value, 0, 32)
	m := uint64(1<<32 - 1)
	if err == nil && masked {
		m, err = strconv.ParseUint(mask, 0, 32)
	}
	if err != nil || m == 0 {
		return fmt.Errorf("%q is no mark: write a number such as 0x10, or 0x10/0xff", word)
	}
	f.Mark, f.Mask = uint32(v), uint32(m)
	return nil
}

func (f *filter) addZone(word string) error {
	n, err := strconv.ParseUint(word, 0, 16)
	f.Zones = append(f.Zones, uint16(n))
	if err != nil {
		return fmt.Errorf("%q is no zone: write a number up to 65535", word)
	}
	return nil
}

func (f *filter) addStatus(word string) error {
	name, not := strings.CutPrefix(word, "!")
	name = strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
	for bit := conntrack.Status(1); bit <= conntrack.HWOffload; bit <<= 1 {
		if bit.String() != name {
			continue
		}
		f.StatusMask |= bit
		if f.Status |= bit; not {
			f.Status &^= bit
		}
		return nil
	}
	all := strings.ToLower(strings.ReplaceAll((2*conntrack.HWOffload - 1).String(), "_", "-"))
	return fmt.Errorf("no bit %q: they are %s", word, strings.ReplaceAll(all, ",", ", "))
}

func (f *filter) setFamily(word string) error {
	switch word {
	case "ipv4", "4":
		f.Family = conntrack.IPv4
	case "ipv6", "6":
		f.Family = conntrack.IPv6
	default:
		return fmt.Errorf("no family %q: write ipv4 or ipv6", word)
	}
	return nil
}
