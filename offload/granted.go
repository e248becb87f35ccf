package offload

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"sync"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/ruleset"
)

// The states of a flowtable with `flags offload`.
const (
	hardwareAsked   = "asked"   // its devices' drivers bound it
	hardwareGranted = "granted" // a flow of it was seen as [HW_OFFLOAD]
)

// grants remembers which hardware flowtables were seen to carry a flow, by their handles: that never needs to be looked at again.
type grants struct {
	mu   sync.Mutex
	seen map[part]uint64
}

// hardwareStates says of each hardware flowtable of the owner of what was loaded whether it is asked or granted. Connections are
// read, those in hardware alone, as long as one is only asked; waits reports that one still is. Nothing announces when a flow comes to
// hardware, so whoever wants to know looks again some time later.
//
// No connection names its flowtable: if there is one hardware flowtable in the namespace, it is that one; else the one whose devices
// both ends of the connection are reached by, as far as that is certain.
func (m *Manager) hardwareStates(ctx context.Context, have *ruleset.Loaded) (states map[part]string, waits bool, err error) {
	mine := hardwareFlowtables(have, func(t ruleset.LoadedTable) bool { return t.Owner == have.Owner() })
	if m.grants.cover(mine) {
		return m.grants.states(mine), false, nil
	}
	all := hardwareFlowtables(have, func(ruleset.LoadedTable) bool { return true })
	if err := m.lookForGrants(ctx, all); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return m.grants.states(mine), true, err
	}
	return m.grants.states(mine), !m.grants.cover(mine), nil
}

// companionSuffix ends the name of the table that holds what drivers accept of a table (ruleset: HardwareAuto).
const companionSuffix = "_hw"

// hardwareState is what hardwareStates says of a declared flowtable: by itself, or by its part for the drivers that accept.
func hardwareState(states map[part]string, declared part) string {
	if s, ok := states[declared]; ok {
		return s
	}
	declared.table += companionSuffix
	return states[declared]
}

// lookForGrants reads the connections in hardware and remembers the flowtables that carry them.
func (m *Manager) lookForGrants(ctx context.Context, all []ruleset.LoadedFlowtable) error {
	w, err := m.watcher(ctx)
	if w == nil || err != nil {
		return err
	}
	var flows []ends
	for e, err := range w.Entries(ctx, conntrack.Match{Status: conntrack.Offload | conntrack.HWOffload}) {
		if err != nil {
			return err
		}
		if len(all) == 1 {
			m.grants.grant(all[0])
			return nil
		}
		flows = append(flows, endsOf(&e))
	}
	if len(flows) == 0 {
		return nil
	}
	devices, err := m.devices(ctx, flows)
	if err != nil {
		return err
	}
	target, err := m.target(ctx, false, false)
	if err != nil {
		return err
	}
	for _, pair := range pairsOf(flows, devices) {
		if carriers := carriersOf(target, all, pair); len(carriers) == 1 {
			m.grants.grant(carriers[0])
		}
	}
	return nil
}

// pairsOf are the devices that flows run between, each pair once.
func pairsOf(flows []ends, devices map[netip.Addr]string) [][2]string {
	pairs := map[[2]string]bool{}
	for _, between := range flows {
		near, far := devices[between[0]], devices[between[1]]
		if near != "" && far != "" {
			pairs[[2]string{min(near, far), max(near, far)}] = true
		}
	}
	return slices.Collect(maps.Keys(pairs))
}

// carriersOf are the flowtables that can carry a flow between two devices.
func carriersOf(target *flowtable.Target, all []ruleset.LoadedFlowtable, pair [2]string) []ruleset.LoadedFlowtable {
	return slices.DeleteFunc(slices.Clone(all), func(f ruleset.LoadedFlowtable) bool {
		devices := make([]string, len(f.Devices))
		for i, d := range f.Devices {
			devices[i] = d.String()
		}
		above := target.Above(devices...)
		return !slices.Contains(above, pair[0]) || !slices.Contains(above, pair[1])
	})
}

func (g *grants) grant(f ruleset.LoadedFlowtable) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.seen == nil {
		g.seen = map[part]uint64{}
	}
	g.seen[part{f.Family, f.Table, f.Name}] = f.Handle
}

func (g *grants) states(list []ruleset.LoadedFlowtable) map[part]string {
	g.mu.Lock()
	defer g.mu.Unlock()
	states := map[part]string{}
	for _, f := range list {
		name := part{f.Family, f.Table, f.Name}
		states[name] = hardwareAsked
		if handle, ok := g.seen[name]; ok && handle == f.Handle {
			states[name] = hardwareGranted
		}
	}
	return states
}

// cover reports whether all of the flowtables are granted.
func (g *grants) cover(list []ruleset.LoadedFlowtable) bool {
	states := g.states(list)
	return !slices.Contains(slices.Collect(maps.Values(states)), hardwareAsked)
}
