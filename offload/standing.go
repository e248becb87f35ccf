package offload

import (
	"fmt"
	"net/netip"

	"github.com/go-fastpath/fastpath/flowtable"
)

// A standing says whether the packets of a device go by another one.
type standing int

const (
	never standing = iota
	perhaps
	surely
)

// An over says of each device of a machine how it stands on one of them.
type over map[string]standing

// goesBy tells whether a connection between two addresses goes by the device. An address of the machine itself is behind none.
func (o over) goesBy(between ends, devices map[netip.Addr]string) standing {
	found := never
	for _, addr := range between {
		switch device, told := devices[addr]; {
		case !told:
			found = max(found, perhaps)
		case device != "":
			found = max(found, o[device])
		}
	}
	return found
}

// devicesOver tells which devices stand on one, itself among them.
func devicesOver(target *flowtable.Target, device string) (over, error) {
	c := climb{over: over{}, below: map[string][]string{}, vague: map[string]bool{}}
	names := map[int]string{}
	for _, l := range target.Links {
		if l.Index != 0 {
			names[l.Index] = l.Name
		}
	}
	there := false
	for _, l := range target.Links {
		there = there || l.Name == device
		c.add(&l, names)
	}
	if !there {
		return nil, fmt.Errorf("device %s: %w; `ip link` lists those that there are", device, ErrNoDevice)
	}
	c.over[device] = surely
	for _, l := range target.Links {
		c.stands(l.Name)
	}
	return c.over, nil
}

// A climb finds out which devices stand on one.
type climb struct {
	over  over
	below map[string][]string // what a device stands on directly
	vague map[string]bool     // devices whose packets need not all go by what is below
}

// add notes what a link stands on: the device of its session, its parent, or of a bridge and a bond those that have it as their master. A
// veth's parent is its other end, and nothing that it stands on.
func (c *climb) add(l *flowtable.Link, names map[int]string) {
	parent := names[l.Parent]
	switch {
	case l.PPPoE.Device != "":
		c.below[l.Name] = append(c.below[l.Name], l.PPPoE.Device)
	case parent != "" && l.Kind != "veth":
		c.below[l.Name] = append(c.below[l.Name], parent)
		switch l.Kind {
		case "vlan", "macvlan", "macvtap", "ipvlan":
		default: // tunnels and others
			c.vague[l.Name] = true
		}
	}
	if master := names[l.Master]; master != "" {
		c.below[master] = append(c.below[master], l.Name)
	}
}

// stands tells how a device stands on the one; circles end where they close.
func (c *climb) stands(device string) standing {
	if s, known := c.over[device]; known {
		return s
	}
	c.over[device] = never
	least, most := surely, never
	for _, below := range c.below[device] {
		s := c.stands(below)
		least, most = min(least, s), max(most, s)
	}
	switch {
	case most == never:
	case least == surely && !c.vague[device]:
		c.over[device] = surely
	default:
		c.over[device] = perhaps
	}
	return c.over[device]
}
