package offloadtest

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

var _ offload.Hooked = (*Kernel)(nil)

// Hooks are those of the flowtables that list a device, and were not taken by Unhook. The imitated
// Linux 6.18 and later name flowtables, the older ones tell family and priority.
func (k *Kernel) Hooks(ctx context.Context, devices []string) ([]offload.DeviceHooks, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	list := make([]offload.DeviceHooks, len(devices))
	for i, name := range devices {
		list[i] = offload.DeviceHooks{Device: name, There: k.link(name) != nil}
		if list[i].There && !k.unhooked[name] {
			list[i].Hooks = k.hooksOf(name)
		}
	}
	return list, nil
}

// hooksOf are in the kernel's order: by priority.
func (k *Kernel) hooksOf(name string) (hooks []offload.Hook) {
	for _, t := range k.state.tables {
		for _, f := range t.flowtables {
			lists := func(d device) bool { return d.name == name || d.prefix && strings.HasPrefix(name, d.name) }
			if !slices.ContainsFunc(f.devices, lists) {
				continue
			}
			h := offload.Hook{Family: ruleset.Family(nlmsg.FamilyName(t.family)), Priority: f.priority}
			if k.model >= linux618 {
				h.Table, h.Flowtable = t.name, f.name
			}
			hooks = append(hooks, h)
		}
	}
	slices.SortStableFunc(hooks, func(a, b offload.Hook) int { return cmp.Compare(a.Priority, b.Priority) })
	return hooks
}

// Unhook takes a device's hooks away, and keeps new ones from it, while flowtables go on to list it.
func (k *Kernel) Unhook(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.unhooked[name] = true
}
