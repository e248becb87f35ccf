package conntrack

import (
	"net/netip"
	"slices"
)

// A matcher is a Match made ready for many entries: the time that it takes does not grow with the number of prefixes.
type matcher struct {
	Match
	lengths     []int // of prefixes, each once
	prefixes    map[netip.Prefix]struct{}
	mask, value Status // what the kernel's filter looks at
}

func newMatcher(m Match) *matcher {
	x := &matcher{Match: m}
	x.mask, x.value = m.kernelStatus()
	if len(m.Prefixes) > 0 {
		x.prefixes = make(map[netip.Prefix]struct{}, len(m.Prefixes))
	}
	for _, p := range m.Prefixes {
		x.prefixes[p.Masked()] = struct{}{}
		if !slices.Contains(x.lengths, p.Bits()) {
			x.lengths = append(x.lengths, p.Bits())
		}
	}
	return x
}

// matches is Match.Matches.
func (x *matcher) matches(e *Entry) bool {
	if !x.matchesFields(e) {
		return false
	}
	return x.prefixes == nil || x.contains(e.Orig.Src.Addr()) || x.contains(e.Orig.Dst.Addr()) ||
		x.contains(e.Reply.Src.Addr()) || x.contains(e.Reply.Dst.Addr())
}

func (x *matcher) contains(a netip.Addr) bool {
	for _, bits := range x.lengths {
		if p, err := a.Prefix(bits); err == nil {
			if _, ok := x.prefixes[p]; ok {
				return true
			}
		}
	}
	return false
}

// inDump tells whether the kernel's filter lets e pass.
func (x *matcher) inDump(e *Entry) bool {
	return e.Status&x.mask == x.value && (e.Mark^x.Mark)&x.markMask() == 0
}
