package conntrack

import (
	"errors"
	"fmt"
	"net/netip"
)

// Validate reports everything in m that no connection can match, joined. Entries, Changes and Evict call it.
func (m *Match) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("match: "+format, args...)) }
	for i, p := range m.Paths {
		if p > Unknown {
			bad("paths[%d]: %v: write conntrack.Slow, Software, Hardware or Unknown", i, p)
		}
	}
	if m.Family != 0 && m.Family != IPv4 && m.Family != IPv6 {
		bad("family %d: write conntrack.IPv4 or conntrack.IPv6", m.Family)
	}
	addrs := []netip.Addr{m.Tuple.Src.Addr(), m.Tuple.Dst.Addr()}
	for i, p := range m.Prefixes {
		if !p.IsValid() {
			bad("prefixes[%d]: %v is no prefix: write netip.PrefixFrom(address, length)", i, p)
		}
		addrs = append(addrs, p.Addr())
	}
	for _, a := range addrs {
		if a.Is4In6() {
			bad("address %v: the table holds plain IPv4 addresses: write %v", a, a.Unmap())
		}
	}
	if f := m.families(); len(f) > 1 {
		bad("family, prefixes and tuple mix IPv4 and IPv6")
	}
	if mask, value := m.status(); value&^mask != 0 {
		bad("status %v has bits outside its mask %v: add them to the mask", value, mask)
	}
	if mask := m.markMask(); m.Mark&^mask != 0 {
		bad("mark %#x has bits outside its mask %#x: add them to the mask", m.Mark, mask)
	}
	return errors.Join(errs...)
}
