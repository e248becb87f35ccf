package flowtable

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// String is the selector in words: eth0 and ppp* as nft spells them, "ports of br-lan", "group 7 except veth*".
func (s Selector) String() string {
	text := s.Name
	switch {
	case s.Prefix != "":
		text = s.Prefix + "*"
	case s.PortsOf != "":
		text = "ports of " + s.PortsOf
	case s.SlavesOf != "":
		text = "slaves of " + s.SlavesOf
	case s.VLANsOn != "":
		text = "VLANs on " + s.VLANsOn
	case s.PPPOver != "":
		text = "PPP over " + s.PPPOver
	case s.Group != 0:
		text = "group " + strconv.FormatUint(uint64(s.Group), 10)
	case s.DefaultRoute:
		text = "default route"
	}
	if len(s.Except) > 0 {
		text += " except " + strings.Join(s.Except, ", ")
	}
	return text
}

// isPlain reports whether the selector is a name or a prefix and nothing more: what it picks is known without a Target.
func (s Selector) isPlain() bool { return (s.Name != "" || s.Prefix != "") && len(s.Except) == 0 }

func (s Selector) isEmpty() bool { return len(s.fields()) == 0 }

// fields are the names of those that are set, besides Except.
func (s Selector) fields() []string {
	var set []string
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"name", s.Name != ""}, {"prefix", s.Prefix != ""}, {"portsOf", s.PortsOf != ""}, {"slavesOf", s.SlavesOf != ""},
		{"vlansOn", s.VLANsOn != ""}, {"pppOver", s.PPPOver != ""}, {"group", s.Group != 0}, {"defaultRoute", s.DefaultRoute},
	} {
		if f.set {
			set = append(set, f.name)
		}
	}
	return set
}

// excepts reports whether a device is left out of what is picked.
func (s Selector) excepts(device string) bool {
	return slices.ContainsFunc(s.Except, func(e string) bool {
		prefix, is := strings.CutSuffix(e, "*")
		return is && strings.HasPrefix(device, prefix) || e == device
	})
}

// checkSelector refuses a selector that picks nothing or two things, and names that no device can have.
func (m *mistakes) checkSelector(path string, s Selector) {
	switch set := s.fields(); {
	case len(set) == 0:
		m.add(path, errors.New("the selector picks nothing; set name, prefix, portsOf, slavesOf, vlansOn, pppOver, group (not 0) or defaultRoute"))
	case len(set) > 1:
		m.add(path, fmt.Errorf("the selector has %s; set one of them", strings.Join(set, " and ")))
	default:
		m.checkPicked(path, s)
	}
	for i, e := range s.Except {
		where := path + ".except[" + strconv.Itoa(i) + "]"
		if prefix, is := strings.CutSuffix(e, "*"); is {
			m.add(where, CheckDevicePrefix(prefix))
		} else {
			m.add(where, CheckDevice(e))
		}
		if e != "" && e == s.Name {
			m.add(where, fmt.Errorf("%q is what the selector picks; remove the one or the other", e))
		}
	}
}

func (m *mistakes) checkPicked(path string, s Selector) {
	for _, f := range []struct{ name, device string }{
		{"name", s.Name}, {"portsOf", s.PortsOf}, {"slavesOf", s.SlavesOf}, {"vlansOn", s.VLANsOn}, {"pppOver", s.PPPOver},
	} {
		if f.device != "" {
			m.add(path+"."+f.name, CheckDevice(f.device))
		}
	}
	if s.Prefix != "" {
		m.add(path+".prefix", CheckDevicePrefix(s.Prefix))
	}
}

func quoted(s Selector) string { return strconv.Quote(s.String()) }
