package offloadtest

import (
	"slices"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
)

// A link is a device of the imitated machine. Its number tells it from one of the same name that was there before.
type link struct {
	flowtable.Link
	number int
}

// AddLink puts a device on the machine; it does nothing where the name is taken. An Index of 0 is filled in. Kernels from
// 6.16 on hook it at once into the flowtables that name it, older ones never do.
func (k *Kernel) AddLink(l flowtable.Link) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.link(l.Name) == nil {
		k.addLink(l)
		k.announceLink(l.Name, "new")
	}
}

func (k *Kernel) addLink(l flowtable.Link) {
	k.linkNumber++
	if l.Index == 0 {
		l.Index = k.linkIndex + 1 // as kernels do, none is given twice
	}
	k.linkIndex = max(k.linkIndex, l.Index)
	k.links = append(k.links, &link{Link: l, number: k.linkNumber})
}

// DelLink removes a device. Up to Linux 6.15 it also leaves its flowtables for good, and no generation tells; from 6.16 on
// their lists keep its name.
func (k *Kernel) DelLink(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	gone := k.link(name)
	if gone == nil {
		return
	}
	k.links = slices.DeleteFunc(k.links, func(l *link) bool { return l == gone })
	k.eachFlowtable(func(f *flowTable) {
		f.devices = slices.DeleteFunc(slices.Clone(f.devices), func(d device) bool { return d.link == gone.number })
	})
	k.announceLink(name, "gone")
}

// RenameLink gives a device another name; it does nothing where the device is missing or the name is taken. Up to Linux
// 6.15 flowtables follow it; from 6.16 on their lists keep the old name.
func (k *Kernel) RenameLink(from, to string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	l := k.link(from)
	if l == nil || k.link(to) != nil {
		return
	}
	l.Name = to
	k.eachFlowtable(func(f *flowTable) {
		for i, d := range f.devices {
			if d.link == l.number {
				f.devices[i].name = to
			}
		}
	})
	k.announceLink(to, "renamed from "+from)
}

// ChangeLink changes what a device is, but not its name; it does nothing where there is none.
func (k *Kernel) ChangeLink(name string, change func(*flowtable.Link)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if l := k.link(name); l != nil {
		change(&l.Link)
		l.Name = name
		k.announceLink(name, "changed")
	}
}

// SetDefaultRoutes names the devices that default routes lead to.
func (k *Kernel) SetDefaultRoutes(devices ...string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.defaultRoutes = slices.Clone(devices)
	k.table.loseTags()
	k.announce(offload.Event{Kind: offload.EventRoutes, What: "default routes"})
}

// Accept takes back Refuse.
func (k *Kernel) Accept(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.refusing, name)
}

// Refuse makes the driver of a device, there or not yet, refuse flowtables with the hardware flag.
func (k *Kernel) Refuse(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.refusing[name] = true
}

func (k *Kernel) eachFlowtable(visit func(*flowTable)) {
	if k.model >= linux618 {
		return
	}
	for _, t := range k.state.tables {
		for _, f := range t.flowtables {
			visit(f)
		}
	}
}

func (k *Kernel) link(name string) *link {
	for _, l := range k.links {
		if l.Name == name {
			return l
		}
	}
	return nil
}
