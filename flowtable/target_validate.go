package flowtable

import (
	"errors"
	"fmt"
	"strconv"
)

// Validate reports every mistake of a Target given by hand at once, joined; each is a *FieldError with its path
// ("links[3].name"). A nil Target is valid. Parents and masters may be in another network namespace: they need not be listed.
func (t *Target) Validate() error {
	if t == nil {
		return nil
	}
	var all mistakes
	if t.Kernel.Wildcards && !t.Kernel.ByName {
		all.add("kernel.wildcards", errors.New("a kernel that takes prefixes also takes names of missing devices; set byName too"))
	}
	names, indexes := map[string]int{}, map[int]int{}
	for i, l := range t.Links {
		path := "links[" + strconv.Itoa(i) + "]"
		all.add(path+".name", CheckDevice(l.Name))
		if first, taken := names[l.Name]; taken && l.Name != "" {
			all.add(path+".name", fmt.Errorf("device %q is already links[%d]; remove one", l.Name, first))
		} else {
			names[l.Name] = i
		}
		if first, taken := indexes[l.Index]; taken && l.Index != 0 {
			all.add(path+".index", fmt.Errorf("index %d is already that of links[%d]; remove one, or leave it out", l.Index, first))
		} else {
			indexes[l.Index] = i
		}
		all.checkIndex(path+".index", l.Index)
		all.checkIndex(path+".parent", l.Parent)
		all.checkIndex(path+".master", l.Master)
		all.checkIndex(path+".conduit", l.Conduit)
		all.checkLink(path, &t.Links[i])
	}
	for i, index := range t.DefaultRoutes {
		all.checkIndex("defaultRoutes["+strconv.Itoa(i)+"]", index)
	}
	all.checkAnswers(t.Hardware)
	return all.join()
}

func (m *mistakes) checkIndex(path string, index int) {
	if index < 0 {
		m.add(path, fmt.Errorf("index %d is negative; device indexes begin at 1, 0 is none", index))
	}
}

// checkLink checks what a link is, besides its place among the others.
func (m *mistakes) checkLink(path string, l *Link) {
	if l.MTU < 0 {
		m.add(path+".mtu", fmt.Errorf("an MTU of %d is negative; give bytes, or leave it out", l.MTU))
	}
	if l.VLAN.ID > 4095 {
		m.add(path+".vlan.id", fmt.Errorf("%d is no VLAN; give one of 0 to 4095", l.VLAN.ID))
	}
	switch l.VLAN.Protocol {
	case "", "802.1Q", "802.1ad":
	default:
		m.add(path+".vlan.protocol", fmt.Errorf(`unknown protocol %q; write "802.1Q" or "802.1ad", or leave it out`, l.VLAN.Protocol))
	}
	if l.PPPoE.Device != "" {
		m.add(path+".pppoe.device", CheckDevice(l.PPPoE.Device))
	}
	switch l.TCOffload {
	case "", "on", "off", "on [fixed]", "off [fixed]":
	default:
		m.add(path+".tcOffload", fmt.Errorf(`%q is not how ethtool prints a feature; write "on", "off", "on [fixed]" or "off [fixed]", or leave it out`, l.TCOffload))
	}
}

func (m *mistakes) checkAnswers(all []Answer) {
	first := map[string]int{}
	for i, a := range all {
		path := "hardware[" + strconv.Itoa(i) + "]"
		m.add(path+".device", CheckDevice(a.Device))
		if before, taken := first[a.Device]; taken {
			m.add(path+".device", fmt.Errorf("device %q has an answer already at hardware[%d]; remove one", a.Device, before))
		} else {
			first[a.Device] = i
		}
		switch a.Result {
		case NoDevice, NoModule, DriverRefuses, FixedOff, FeatureOff, Busy, Accepted, NotTried:
		default:
			m.add(path+".result", fmt.Errorf("unknown result %q; write %q, %q or another of the results", string(a.Result), string(Accepted), string(DriverRefuses)))
		}
	}
}
