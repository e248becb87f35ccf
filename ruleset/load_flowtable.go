package ruleset

import (
	"fmt"
	"iter"
	"reflect"
	"slices"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// A LoadedFlowtable is a flowtable that a kernel held. Safe for concurrent reading.
type LoadedFlowtable struct {
	Family Family `json:"family"`
	Table  string `json:"table"`
	Name   string `json:"name"`
	Handle uint64 `json:"handle"`
	// Use is the number of flow add statements that refer to it.
	Use uint32 `json:"use"`
	// Hook is NF_NETDEV_INGRESS, 0, in every kernel so far.
	Hook     uint32 `json:"hook"`
	Priority int32  `json:"priority"`
	// Devices as they were declared, in the kernel's order: names, and since Linux 6.16 prefixes. Up to Linux 6.15 these are
	// devices that exist; later ones also list names that nothing bears yet.
	Devices []flowtable.Selector `json:"devices,omitempty"`
	// Flags are NFT_FLOWTABLE_*: 1 hardware offload, 2 counter.
	Flags uint32 `json:"flags"`
}

// Hardware reports whether drivers are asked to carry the flows (nft's `flags offload`).
func (f LoadedFlowtable) Hardware() bool { return f.Flags&nlmsg.FlowtableHWOffload != 0 }

// Counter reports whether flows are counted on the fast path (nft's `counter`).
func (f LoadedFlowtable) Counter() bool { return f.Flags&nlmsg.FlowtableCounter != 0 }

// WithFlowtables is l with the flowtables of a later dump of the generation and the flowtables alone: before Linux 6.16 a device that
// vanishes leaves its flowtable without a new generation. It is false if the generation is another one, or the dump torn; then
// everything has to be read.
func (l *Loaded) WithFlowtables(messages iter.Seq2[Message, error]) (now *Loaded, ok bool, err error) {
	fresh, err := Load(l.owner, messages)
	if err != nil {
		return nil, false, err
	}
	if fresh.torn || fresh.generation != l.generation {
		return nil, false, nil
	}
	if slices.EqualFunc(l.flowtables, fresh.flowtables, sameFlowtable) {
		return l, true, nil
	}
	c := *l
	c.flowtables = fresh.flowtables
	c.rules = slices.Clone(l.rules)
	c.messages = make([]Message, 0, len(l.messages))
	at := make([]int, len(l.messages))
	for i, m := range l.messages {
		at[i] = len(c.messages)
		if m.Type != nlmsg.NFTablesType(nlmsg.NFTMsgNewFlowtable) {
			c.messages = append(c.messages, m)
		}
	}
	for i := range c.rules {
		c.rules[i].message = at[c.rules[i].message]
	}
	for _, m := range fresh.messages {
		if m.Type == nlmsg.NFTablesType(nlmsg.NFTMsgNewFlowtable) {
			c.messages = append(c.messages, m)
		}
	}
	c.index()
	return &c, true, nil
}

func sameFlowtable(a, b LoadedFlowtable) bool {
	return a.Family == b.Family && a.Table == b.Table && a.Name == b.Name && a.Handle == b.Handle && a.Use == b.Use &&
		a.Hook == b.Hook && a.Priority == b.Priority && a.Flags == b.Flags && reflect.DeepEqual(a.Devices, b.Devices)
}

// withFlowtables are the tables that hold a flowtable.
func (l *Loaded) withFlowtables() map[tableKey]bool {
	if l == nil {
		return nil
	}
	with := map[tableKey]bool{}
	for i := range l.flowtables {
		with[tableKey{l.flowtables[i].Family, l.flowtables[i].Table}] = true
	}
	return with
}

func (l *Loaded) addFlowtable(o nlmsg.Order, family byte, b []byte) error {
	f := LoadedFlowtable{Family: familyName(family)}
	tabled := false
	err := nlmsg.EachAttr(o, b, func(a nlmsg.Attr) error {
		tabled = tabled || a.Type == nlmsg.NFTAFlowtableTable
		return f.attr(o, a)
	})
	if err != nil {
		return err
	}
	if !tabled {
		return fmt.Errorf("%w: a flowtable without a table", nlmsg.ErrMalformed)
	}
	l.flowtables = append(l.flowtables, f)
	return nil
}

func (f *LoadedFlowtable) attr(o nlmsg.Order, a nlmsg.Attr) (err error) {
	switch a.Type {
	case nlmsg.NFTAFlowtableTable:
		f.Table = a.String()
	case nlmsg.NFTAFlowtableName:
		f.Name = a.String()
	case nlmsg.NFTAFlowtableHandle:
		f.Handle, err = a.Uint64BE()
	case nlmsg.NFTAFlowtableUse:
		f.Use, err = a.Uint32BE()
	case nlmsg.NFTAFlowtableFlags:
		f.Flags, err = a.Uint32BE()
	case nlmsg.NFTAFlowtableHook:
		err = f.hook(o, a.Data)
	}
	return err
}

func (f *LoadedFlowtable) hook(o nlmsg.Order, b []byte) error {
	return nlmsg.EachAttr(o, b, func(a nlmsg.Attr) (err error) {
		switch a.Type {
		case nlmsg.NFTAFlowtableHookNum:
			f.Hook, err = a.Uint32BE()
		case nlmsg.NFTAFlowtableHookPriority:
			var v uint32
			v, err = a.Uint32BE()
			f.Priority = int32(v)
		case nlmsg.NFTAFlowtableHookDevs:
			err = f.devices(o, a.Data)
		}
		return err
	})
}

func (f *LoadedFlowtable) devices(o nlmsg.Order, b []byte) error {
	return nlmsg.EachAttr(o, b, func(a nlmsg.Attr) error {
		if a.Type != nlmsg.NFTADeviceName && a.Type != nlmsg.NFTADevicePrefix {
			return nil
		}
		d, err := deviceOf(a)
		f.Devices = append(f.Devices, d)
		return err
	})
}

// deviceOf reads NFTA_DEVICE_NAME, NFTA_DEVICE_PREFIX or NFTA_HOOK_DEV.
func deviceOf(a nlmsg.Attr) (d flowtable.Selector, err error) {
	text := a.String()
	if len(text) > flowtable.MaxDevice {
		return d, fmt.Errorf("%w: the name of a device has %d bytes, more than %d", nlmsg.ErrMalformed, len(text), flowtable.MaxDevice)
	}
	if a.Type == nlmsg.NFTADevicePrefix {
		return flowtable.Selector{Prefix: text}, nil
	}
	return flowtable.Selector{Name: text}, nil
}
