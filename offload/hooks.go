package offload

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/ruleset"
)

// A HookState says how it is known that the kernel calls a flowtable at the ingress of a device that
// the flowtable lists.
type HookState string

// The states of a bound device's hook.
const (
	// HookNotAsked: nobody asked, the device is not bound, or it or its flowtable went since.
	HookNotAsked HookState = ""
	// HookSeen: the kernel's hooks name the flowtable at the device (Linux 6.17).
	HookSeen HookState = "seen"
	// HookLikely: the kernel calls a flowtable of this family and priority at the device, and does
	// not say which.
	HookLikely HookState = "likely"
	// HookUntold: this kernel tells no hooks; the device is bound as far as the flowtable lists it.
	HookUntold HookState = "untold"
	// HookMissing: the flowtable lists the device, and the kernel does not call it there.
	HookMissing HookState = "missing"
)

// text is what a table of devices says behind "bound".
func (h HookState) text() string {
	switch h {
	case HookSeen:
		return ", seen in the kernel's hooks"
	case HookLikely:
		return ", a flowtable is in the kernel's hooks"
	case HookUntold:
		return ", by the listing alone"
	case HookMissing:
		return ", NOT HOOKED"
	}
	return ""
}

// worse reports whether h is to be told rather than other.
func (h HookState) worse(other HookState) bool {
	order := []HookState{HookNotAsked, HookSeen, HookLikely, HookUntold, HookMissing}
	return slices.Index(order, h) > slices.Index(order, other)
}

// untoldHooks is why nothing is known of any hook.
const untoldHooks = "not told by this kernel: it has no hook dump (CONFIG_NETFILTER_NETLINK_HOOK, the module nfnetlink_hook), " +
	"so that bound means that the flowtable lists the device"

const (
	// maxHooked is how many devices are asked about at most; each costs a dump of some messages.
	maxHooked = 1024
	// settleHooks is how long a device may be there before the kernel hooks it: whoever makes or
	// renames one holds the kernel's lock meanwhile.
	settleHooks = 50 * time.Millisecond
)

// WithHooks is s with what the kernel's hooks say of each bound device (DeviceStatus.Hook): whether
// the kernel calls the flowtable there, or only lists the device. Run does not ask, for it costs a
// reading of tables and flowtables and a request for each device, 1024 at most; ask when somebody
// wants to see it. A device that is found without its hook is looked at once more.
//
// Kernels tell by whom a hook is since Linux 6.17, before that it is a flowtable's of this family
// and priority; where the hook dump is missing, or the Kernel is not Hooked, the state is
// HookUntold, and no error. Errors match fs.ErrPermission without CAP_NET_ADMIN.
func (m *Manager) WithHooks(ctx context.Context, s *Status) (*Status, error) {
	if s == nil {
		return nil, errors.New("offload: hooks: no Status; take one of Manager.Statuses")
	}
	with := *s
	if !slices.ContainsFunc(s.Devices, func(d DeviceStatus) bool { return d.State == flowtable.Bound }) {
		return &with, nil
	}
	if err := m.lookAtHooks(ctx, &with, s.Devices); err != nil {
		return nil, fmt.Errorf("offload: hooks: %w", err)
	}
	if !slices.ContainsFunc(with.Devices, func(d DeviceStatus) bool { return d.Hook == HookMissing }) {
		return &with, nil
	}
	if err := pause(ctx, settleHooks); err != nil {
		return nil, fmt.Errorf("offload: hooks: %w", err)
	}
	if err := m.lookAtHooks(ctx, &with, s.Devices); err != nil {
		return nil, fmt.Errorf("offload: hooks: %w", err)
	}
	return &with, nil
}

// lookAtHooks makes one reading.
func (m *Manager) lookAtHooks(ctx context.Context, s *Status, devices []DeviceStatus) error {
	s.Devices = slices.Clone(devices)
	for i := range s.Devices {
		s.Devices[i].Hook, s.Devices[i].HookWhy = HookNotAsked, ""
	}
	held, err := m.readWhole(ctx, s.Owner, func() iter.Seq2[ruleset.Message, error] { return m.tables(ctx) })
	if err != nil {
		return err
	}
	wanted, err := m.hooksWanted(ctx, s, held)
	if err != nil || len(wanted) == 0 {
		return err
	}
	hooks, err := m.hooks(ctx, wanted)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	for _, w := range wanted {
		d := &s.Devices[w.of]
		state, why := HookUntold, untoldHooks
		if err == nil {
			state, why = w.judge(hooks)
		}
		if state.worse(d.Hook) {
			d.Hook, d.HookWhy = state, why
		}
	}
	return nil
}

// A wantedHook is one that the kernel has if a device is bound: of a flowtable at a device.
type wantedHook struct {
	of        int // index of the DeviceStatus
	device    string
	flowtable ruleset.LoadedFlowtable
}

// hooksWanted are those of the bound devices. An owner may have two flowtables of one name, in two
// tables, and a prefix stands for the devices that are there.
func (m *Manager) hooksWanted(ctx context.Context, s *Status, held *ruleset.Loaded) (list []wantedHook, err error) {
	ours := ownedTables(held, s.Owner)
	var target *flowtable.Target
	for i, d := range s.Devices {
		if d.State != flowtable.Bound {
			continue
		}
		names := []string{d.Device}
		prefix, wildcard := strings.CutSuffix(d.Device, "*")
		if wildcard && target == nil {
			if target, err = m.target(ctx, false, false); err != nil {
				return nil, err
			}
		}
		if wildcard {
			names = linksWith(prefix, target)
		}
		for _, f := range held.Flowtables() {
			lists := func(l flowtable.Selector) bool { return l.String() == d.Device }
			if !ours[part{f.Family, f.Table, ""}] || f.Name != d.Flowtable || !slices.ContainsFunc(f.Devices, lists) {
				continue
			}
			for _, name := range names {
				list = append(list, wantedHook{i, name, f})
			}
		}
	}
	return list, nil
}

// linksWith are the names of the links that a prefix stands for.
func linksWith(prefix string, target *flowtable.Target) (names []string) {
	for _, l := range target.Links {
		if strings.HasPrefix(l.Name, prefix) {
			names = append(names, l.Name)
		}
	}
	return names
}

// hooks asks the Kernel about each device once.
func (m *Manager) hooks(ctx context.Context, wanted []wantedHook) (map[string]DeviceHooks, error) {
	k, ok := m.kernel.(Hooked)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	var devices []string
	asked := map[string]DeviceHooks{}
	for _, w := range wanted {
		if _, twice := asked[w.device]; !twice && len(devices) < maxHooked {
			asked[w.device] = DeviceHooks{}
			devices = append(devices, w.device)
		}
	}
	list, err := k.Hooks(ctx, devices)
	if err != nil {
		return nil, err
	}
	for _, d := range list {
		asked[d.Device] = d
	}
	return asked, nil
}

// judge says what the hooks at the device tell of the one that is wanted.
func (w *wantedHook) judge(hooks map[string]DeviceHooks) (state HookState, why string) {
	f, device := &w.flowtable, flowtable.Spelled(w.device)
	d, asked := hooks[w.device]
	switch {
	case !asked:
		return HookUntold, fmt.Sprintf("not asked: no more than %d devices are", maxHooked)
	case !d.There: // it went since
		return HookNotAsked, ""
	}
	likely, nameless := false, false
	for _, h := range d.Hooks {
		switch {
		case h.Family == "":
			nameless = true
		case h.Table == "":
			likely = likely || h.Family == f.Family && h.Priority == f.Priority
		case h.Family == f.Family && h.Table == f.Table && h.Flowtable == f.Name:
			return HookSeen, fmt.Sprintf("the kernel's hooks at %s name flowtable %s %s %s", device, f.Family, f.Table, f.Name)
		}
	}
	switch {
	case likely:
		return HookLikely, fmt.Sprintf("the kernel calls a flowtable of family %s at priority %d; before Linux 6.17 it does not say which", f.Family, f.Priority)
	case nameless:
		return HookUntold, "not told by this kernel: it names none of its hooks (CONFIG_KALLSYMS)"
	}
	return HookMissing, fmt.Sprintf("flowtable %s %s %s lists %s, but the kernel has no hook of it there: its packets take the classic path. "+
		"Next: have it bound anew by Manager.Off and On (flowctl off, flowctl on), and look into the kernel's log", f.Family, f.Table, f.Name, device)
}
