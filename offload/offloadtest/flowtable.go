package offloadtest

import (
	"slices"
	"strings"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

const (
	flowtableFlags = nlmsg.FlowtableHWOffload | nlmsg.FlowtableCounter
	nameSize       = 16 // IFNAMSIZ
)

func (t *transaction) newFlowtable(r *request) *refusal {
	if bad := r.flowtablePolicy(t.model); bad != nil {
		return bad
	}
	name, hook := r.attrs.get(nlmsg.NFTAFlowtableName), r.attrs.get(nlmsg.NFTAFlowtableHook)
	if !r.attrs.get(nlmsg.NFTAFlowtableTable).there || !name.there || !hook.there {
		return refuse(eINVAL)
	}
	tab, bad := t.tableOf(r, nlmsg.NFTAFlowtableTable)
	if bad != nil {
		return bad
	}
	if old := tab.flowtable(name.String()); old != nil {
		if r.has(nlmsg.FlagExcl) {
			return name.refuse(eEXIST)
		}
		return t.updateFlowtable(r, tab, old)
	}
	f := &flowTable{name: name.String(), handle: tab.nextHandle(), flags: r.attrs.get(nlmsg.NFTAFlowtableFlags).u32()}
	switch {
	case !tab.hasFlowtables():
		return refuse(eNOENT)
	case f.flags&^flowtableFlags != 0:
		return refuse(eOPNOTSUPP)
	}
	in := hook.inside()
	num, priority := in.get(nlmsg.NFTAFlowtableHookNum), in.get(nlmsg.NFTAFlowtableHookPriority)
	switch {
	case (!num.there || !priority.there) && t.model == linux61:
		return refuse(eINVAL)
	case !num.there || !priority.there:
		return name.refuse(eNOENT)
	case num.u32() != nlmsg.HookNetdevIngress:
		return refuse(eOPNOTSUPP)
	}
	f.priority = int32(priority.u32())
	devices, bad := t.parseDevices(in)
	if bad != nil {
		return bad
	}
	if bad := t.bind(tab, devices, f.flags); bad != nil {
		return bad
	}
	f.devices = plain(devices)
	tab.flowtables = append(tab.flowtables, f)
	t.changed = true
	return nil
}

// flowtablePolicy is what the kernel checks before it looks at the message.
func (r *request) flowtablePolicy(m model) *refusal {
	if bad := r.attrs.checkNames(nlmsg.NFTAFlowtableTable, nlmsg.NFTAFlowtableName); bad != nil {
		return bad
	}
	if bad := r.attrs.checkLengths(4, nlmsg.NFTAFlowtableFlags); bad != nil {
		return bad
	}
	flags := r.attrs.get(nlmsg.NFTAFlowtableFlags)
	if m >= linux72 && flags.u32()&^flowtableFlags != 0 {
		return &refusal{eINVAL, flags.at, "reserved bit set"}
	}
	return r.attrs.get(nlmsg.NFTAFlowtableHook).inside().checkLengths(4, nlmsg.NFTAFlowtableHookNum, nlmsg.NFTAFlowtableHookPriority)
}

// updateFlowtable adds devices and switches `counter`. Devices that are there already are passed over; without flags
// they stay as they are.
func (t *transaction) updateFlowtable(r *request, tab *table, f *flowTable) *refusal {
	in := r.attrs.get(nlmsg.NFTAFlowtableHook).inside()
	if bad := f.sameHook(in); bad != nil {
		return bad
	}
	devices, bad := t.parseDevices(in)
	if bad != nil {
		return bad
	}
	devices = slices.DeleteFunc(devices, func(d named) bool { return slices.ContainsFunc(f.devices, d.is) })
	flags := f.flags
	if a := r.attrs.get(nlmsg.NFTAFlowtableFlags); a.there {
		flags = a.u32()
		if flags&^flowtableFlags != 0 || (flags^f.flags)&nlmsg.FlowtableHWOffload != 0 {
			return refuse(eOPNOTSUPP)
		}
		f.flagsNew = &flags
	}
	for _, d := range devices {
		if slices.ContainsFunc(f.pending, d.overlaps) {
			return refuse(eEXIST)
		}
	}
	if bad := t.bind(tab, devices, flags); bad != nil {
		return bad
	}
	f.pending = append(slices.Clone(f.pending), plain(devices)...)
	t.changed = true
	return nil
}

// sameHook refuses another hook or priority than the flowtable has.
func (f *flowTable) sameHook(in attrs) *refusal {
	num, priority := in.get(nlmsg.NFTAFlowtableHookNum), in.get(nlmsg.NFTAFlowtableHookPriority)
	if num.u32() != nlmsg.HookNetdevIngress || priority.there && int32(priority.u32()) != f.priority {
		return refuse(eOPNOTSUPP)
	}
	return nil
}

// A named device is one that a message names, and where.
type named struct {
	device
	attr attr
}

func plain(list []named) []device {
	out := make([]device, len(list))
	for i, d := range list {
		out[i] = d.device
	}
	return out
}

// parseDevices reads the devices of a message: up to Linux 6.15 they must be there.
func (t *transaction) parseDevices(hook attrs) ([]named, *refusal) {
	var list []named
	for _, a := range hook.get(nlmsg.NFTAFlowtableHookDevs).inside() {
		d, bad := t.parseDevice(a)
		if bad != nil {
			return nil, bad
		}
		if slices.ContainsFunc(list, func(x named) bool { return d.overlaps(x.device) }) {
			return nil, t.point(a, eEXIST)
		}
		if list = append(list, d); len(list) > nlmsg.MaxDevices {
			return nil, refuse(eFBIG)
		}
	}
	return list, nil
}

func (t *transaction) parseDevice(a attr) (named, *refusal) {
	d := named{attr: a, device: device{name: a.String(), prefix: a.Type == nlmsg.NFTADevicePrefix}}
	switch {
	case d.prefix && t.wildcards:
	case a.Type != nlmsg.NFTADeviceName:
		return d, refuse(eINVAL)
	}
	if t.model >= linux618 {
		if len(d.name) >= nameSize {
			return d, a.refuse(e2BIG)
		}
		return d, nil
	}
	d.name = d.name[:min(len(d.name), nameSize-1)] // cut without a word
	l := t.link(d.name)
	if l == nil {
		return d, t.point(a, eNOENT)
	}
	d.link = l.number
	return d, nil
}

// point gives the place where Linux 6.12 does and 6.1 does not.
func (t *transaction) point(a attr, errno int32) *refusal {
	if t.model == linux61 {
		return refuse(errno)
	}
	return a.refuse(errno)
}

// is reports whether both are the same device, name or prefix.
func (d device) is(other device) bool {
	return d.link == other.link && (d.link != 0 || d.name == other.name && d.prefix == other.prefix)
}

// overlaps reports whether the kernel finds both in one list to be too much.
func (d device) overlaps(other device) bool {
	switch {
	case d.link != 0 || other.link != 0:
		return d.link == other.link
	case d.prefix && other.prefix:
		return strings.HasPrefix(d.name, other.name) || strings.HasPrefix(other.name, d.name)
	case d.prefix:
		return strings.HasPrefix(other.name, d.name)
	case other.prefix:
		return strings.HasPrefix(d.name, other.name)
	}
	return d.name == other.name
}

// bind hooks devices: one flowtable of a table has each, and with the hardware flag every driver must agree. What others
// get by an update of the same batch does not count yet.
func (t *transaction) bind(tab *table, devices []named, flags uint32) *refusal {
	for _, d := range devices {
		for _, f := range tab.flowtables {
			if slices.ContainsFunc(f.devices, d.overlaps) {
				return refuse(eEXIST)
			}
		}
		if flags&nlmsg.FlowtableHWOffload != 0 && t.refusedBy(d.device) {
			return refuse(eOPNOTSUPP)
		}
	}
	return nil
}

// refusedBy reports whether the driver of a device that is there refuses.
func (t *transaction) refusedBy(d device) bool {
	return slices.ContainsFunc(t.links, func(l *link) bool {
		match := l.Name == d.name || d.prefix && strings.HasPrefix(l.Name, d.name)
		return match && t.refusing[l.Name]
	})
}

// delFlowtable deletes a flowtable that no rule uses, or takes devices from it.
func (t *transaction) delFlowtable(r *request) *refusal {
	if bad := r.flowtablePolicy(t.model); bad != nil {
		return bad
	}
	name, handle := r.attrs.get(nlmsg.NFTAFlowtableName), r.attrs.get(nlmsg.NFTAFlowtableHandle)
	if !r.attrs.get(nlmsg.NFTAFlowtableTable).there || !name.there && !handle.there {
		return refuse(eINVAL)
	}
	tab, bad := t.tableOf(r, nlmsg.NFTAFlowtableTable)
	if bad != nil {
		return bad
	}
	point, match := name, func(f *flowTable) bool { return f.name == name.String() }
	if handle.there {
		point, match = handle, func(f *flowTable) bool { return f.handle == handle.u64() }
	}
	i := slices.IndexFunc(tab.flowtables, match)
	switch {
	case i < 0 && r.destroy:
		return nil
	case i < 0:
		return point.refuse(eNOENT)
	case r.attrs.get(nlmsg.NFTAFlowtableHook).there:
		return t.takeDevices(r, tab.flowtables[i])
	case tab.uses().flowtables[tab.flowtables[i].name] > 0:
		return point.refuse(eBUSY)
	}
	tab.flowtables = slices.Delete(tab.flowtables, i, i+1)
	t.changed = true
	return nil
}

func (t *transaction) takeDevices(r *request, f *flowTable) *refusal {
	in := r.attrs.get(nlmsg.NFTAFlowtableHook).inside()
	if bad := f.sameHook(in); bad != nil {
		return bad
	}
	devices, bad := t.parseDevices(in)
	if bad != nil {
		return bad
	}
	rest := slices.Clone(f.devices)
	for _, d := range devices {
		i := slices.IndexFunc(rest, d.is)
		if i < 0 {
			return refuse(eNOENT)
		}
		rest = slices.Delete(rest, i, i+1)
	}
	f.devices = rest
	t.changed = true
	return nil
}
