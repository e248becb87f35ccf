package ruleset

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// A chance says how many of some packets pass a test.
type chance int

const (
	never chance = iota
	maybe
	always
)

// certain is the chance of a test whose answer is known.
func certain(yes bool) chance {
	if yes {
		return always
	}
	return never
}

// not is the chance of the opposite test.
func (c chance) not() chance { return always - c }

// carried are the devices that packets in the fast path come from and go to, as rules of the forward hook see them.
type carried struct {
	known   bool           // nothing is known of a Target without links: any device may be one of them
	devices []string       // sorted, prefixes among them ("ppp*")
	indexes map[int]string // of those that are there
}

func carriedBy(t *flowtable.Target, listed []string) carried {
	if len(t.Links) == 0 || len(listed) == 0 {
		return carried{}
	}
	c := carried{known: true, devices: t.SeenBy(listed...), indexes: map[int]string{}}
	for i := range t.Links {
		if l := &t.Links[i]; l.Index != 0 {
			if _, is := slices.BinarySearch(c.devices, l.Name); is {
				c.indexes[l.Index] = l.Name
			}
		}
	}
	return c
}

// A passage is what is known of packets in the fast path that would come through a chain. In and out are devices; "" is any that is carried.
type passage struct {
	*carried
	family  Family // IP or IP6
	in, out string
	leaves  bool // those that leave it count too
}

// ofFamily is the chance that packets are of a family by its number (NFPROTO_IPV4), or by its protocol on the wire, in network byte order. Behind
// the header of a VLAN or a PPPoE session another protocol is told, so of the own one that is not sure.
func (p *passage) ofFamily(value []byte) chance {
	const ethernetIPv4, ethernetIPv6, ethernetARP = "\x08\x00", "\x86\xdd", "\x08\x06"
	switch string(value) {
	case "\x02":
		return certain(p.family == IP)
	case "\x0a":
		return certain(p.family == IP6)
	case ethernetIPv4:
		return min(certain(p.family == IP), maybe)
	case ethernetIPv6:
		return min(certain(p.family == IP6), maybe)
	case ethernetARP:
		return never
	}
	return maybe
}

// named is the chance that the device of that side has a name, or begins so: rules compare as many bytes as they have.
func (p *passage) named(device string, value []byte) chance {
	if !p.known {
		return maybe
	}
	if device != "" {
		return nameChance(device, value)
	}
	sum, first := never, true
	for _, d := range p.devices {
		switch c := nameChance(d, value); {
		case first:
			sum, first = c, false
		case c != sum:
			return maybe
		}
	}
	return sum
}

// nameChance compares a device, or all with a prefix, with what a rule has.
func nameChance(device string, value []byte) chance {
	prefix, isPrefix := strings.CutSuffix(device, "*")
	if !isPrefix {
		padded := make([]byte, max(len(value), len(device)+1))
		copy(padded, device)
		return certain(bytes.HasPrefix(padded, value))
	}
	name, _, whole := bytes.Cut(value, []byte{0})
	switch {
	case !whole && strings.HasPrefix(prefix, string(name)):
		return always
	case strings.HasPrefix(string(name), prefix), !whole && strings.HasPrefix(prefix, string(name)):
		return maybe
	}
	return never
}

// numbered is the chance that the device of that side has an index.
func (p *passage) numbered(o nlmsg.Order, device string, value []byte) chance {
	if !p.known || len(value) != 4 {
		return maybe
	}
	switch name, is := p.indexes[int(o.Uint32(value))]; {
	case !is && (device == "" || !strings.HasSuffix(device, "*")):
		return never
	case device == "":
		return maybe
	case strings.HasSuffix(device, "*"):
		return maybe
	default:
		return certain(name == device)
	}
}

// maxPairs bounds between how many devices chains are looked through one by one.
const maxPairs = 16

// passages are all pairs of devices that packets of a family can come from and go to; nil if they are too many to look at, or not known.
func (c *carried) passages(family Family, hook Hook) (list []passage) {
	if !c.known || len(c.devices) > maxPairs {
		return nil
	}
	for _, in := range c.devices {
		if hook != Forward && hook != Postrouting {
			list = append(list, passage{carried: c, family: family, in: in})
			continue
		}
		for _, out := range c.devices {
			list = append(list, passage{carried: c, family: family, in: in, out: out})
		}
	}
	return list
}

// familiesOf are those of the connections that a flowtable is filled with: of its table, or of the rules that fill it where all of them name one.
func (c *conflicts) familiesOf(t *Table, name string) []Family {
	switch t.Family {
	case IP, IP6:
		return []Family{t.Family}
	}
	families := map[Family]bool{}
	for i := range t.Chains {
		for j := range t.Chains[i].Rules {
			r := &t.Chains[i].Rules[j]
			at := r.flowAdd()
			if at < 0 {
				continue
			}
			if filled, _ := r.Do[at].flowtable(); filled != name {
				continue
			}
			family := familyMatched(r.Do[:at])
			if family != IP && family != IP6 {
				return []Family{IP, IP6}
			}
			families[family] = true
		}
	}
	if len(families) == 0 { // someone else fills it
		return []Family{IP, IP6}
	}
	return slices.Sorted(maps.Keys(families))
}
