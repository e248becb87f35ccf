package offload

import (
	"context"
	"iter"
	"net/netip"

	"github.com/go-fastpath/fastpath/internal/kernel"
)

// OpenKernel opens this machine's Kernel, as Open does where Config.Kernel is nil, for programs
// that wrap it: seam.go lists what it can do beside what a Kernel has to. Network namespaces are
// named as in Config.NetNS, and errors are those of Open. Close it, or the Manager that has it.
func OpenKernel(netns string) (Kernel, error) {
	k, err := kernel.Open(netns)
	if err != nil {
		return nil, err
	}
	return machine{k}, nil
}

// machine is this machine's kernel, with the types of this package. What it can do beside what a
// Kernel has to, it can by the methods of the kernel that it embeds.
type machine struct{ *kernel.Kernel }

// Events translates.
func (m machine) Events(ctx context.Context, cfg EventConfig) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for e, err := range m.Kernel.Events(ctx, cfg.Routes) {
			if !yield(Event{Kind: EventKind(e.Kind), Device: e.Device, Generation: e.Generation, What: e.What, Writer: e.Writer}, err) {
				return
			}
		}
	}
}

// ChangedSince translates.
func (m machine) ChangedSince(ctx context.Context, generation uint32) (Changes, error) {
	now, tables, known, err := m.Kernel.ChangedSince(ctx, generation)
	c := Changes{Generation: now, Known: known}
	for _, t := range tables {
		c.Tables = append(c.Tables, TableChange{
			Family: t.Family, Name: t.Name,
			Shape: t.What&kernel.Shape != 0, Rules: t.What&kernel.Rules != 0, Elements: t.What&kernel.Elements != 0, Sets: t.Sets,
		})
	}
	return c, err
}

// Manners translates.
func (m machine) Manners(ctx context.Context) (Manners, error) {
	found, err := m.Kernel.Manners(ctx)
	if err != nil {
		return Manners{}, err
	}
	return Manners{
		Kernel: found.Kernel, Flowtables: Finding(found.Flowtables), ByName: Finding(found.ByName), Wildcards: Finding(found.Wildcards),
	}, nil
}

// Hooks translates.
func (m machine) Hooks(ctx context.Context, devices []string) ([]DeviceHooks, error) {
	found, err := m.Kernel.Hooks(ctx, devices)
	if err != nil {
		return nil, err
	}
	list := make([]DeviceHooks, len(found))
	for i, d := range found {
		list[i] = DeviceHooks{Device: d.Device, There: d.There}
		for _, h := range d.Hooks {
			list[i].Hooks = append(list[i].Hooks, Hook(h))
		}
	}
	return list, nil
}

// Module translates.
func (m machine) Module(name string) Module {
	found := m.Kernel.Module(name)
	return Module{moduleStates[found.State], found.Evidence}
}

var moduleStates = [...]ModuleState{
	kernel.ModuleUnknown: ModuleUnknown, kernel.ModuleLoaded: ModuleLoaded, kernel.ModuleBuiltIn: ModuleBuiltIn,
	kernel.ModuleAvailable: ModuleAvailable, kernel.ModuleMissing: ModuleMissing,
}

// Survey translates.
func (m machine) Survey(ctx context.Context) (*Survey, error) {
	found, err := m.Kernel.Survey(ctx)
	if err != nil {
		return nil, err
	}
	s := &Survey{
		Neighbours: make(map[Hop]string, len(found.Neighbours)), Ports: make(map[Station]int, len(found.Ports)),
		Routes: make(map[netip.Prefix]Route, len(found.Routes)),
	}
	for hop, address := range found.Neighbours {
		s.Neighbours[Hop(hop)] = address
	}
	for station, port := range found.Ports {
		s.Ports[Station(station)] = port
	}
	for prefix, route := range found.Routes {
		s.Routes[prefix] = Route(route)
	}
	return s, nil
}

// NextHops translates.
func (m machine) NextHops(ctx context.Context, addrs []netip.Addr) (map[netip.Addr]Hop, error) {
	found, err := m.Kernel.NextHops(ctx, addrs)
	if err != nil {
		return nil, err
	}
	hops := make(map[netip.Addr]Hop, len(found))
	for addr, hop := range found {
		hops[addr] = Hop(hop)
	}
	return hops, nil
}
