package offload

import (
	"context"
	"slices"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/ruleset"
)

// A moved flowtable is one in hardware that some devices left, while it stays with others. Kernels leave its flows as they are then:
// packets that come in by a device that left take the classic path, and no rule offloads the flow again, for it still is [OFFLOAD].
type moved struct {
	before, left []string // its devices before, and those that left
}

// movedBy are the hardware flowtables that a plan takes devices from.
func movedBy(plan *ruleset.Plan, before *ruleset.Loaded) []moved {
	var list []moved
	all := before.Flowtables()
	for _, op := range plan.Operations() {
		_, devices, some := op.Flowtable()
		if op.Kind != ruleset.KindFlowtable || op.Verb != ruleset.VerbDelete || !some {
			continue
		}
		i := slices.IndexFunc(all, func(f ruleset.LoadedFlowtable) bool {
			return f.Family == op.Family && f.Table == op.Table && f.Name == op.Name
		})
		if i < 0 || !all[i].Hardware() {
			continue
		}
		f := moved{left: devices}
		for _, d := range all[i].Devices {
			f.before = append(f.before, d.String())
		}
		list = append(list, f)
	}
	return list
}

// evictStranded evicts the flows that are left half in a hardware flowtable, so that their next packets offload them again. One that
// may break by that stays, and takes the classic path one way. A flow counts only where routing tells its devices for certain.
func (m *Manager) evictStranded(ctx context.Context, plan *ruleset.Plan, before *ruleset.Loaded) {
	moves := movedBy(plan, before)
	if len(moves) == 0 {
		return
	}
	victims, err := m.stranded(ctx, moves)
	if err != nil {
		m.log.WarnContext(ctx, "flows of devices that left a hardware flowtable may take the classic path", "err", err)
		return
	}
	var evict []conntrack.Entry
	for _, v := range victims {
		if v.Risk != "" {
			m.log.WarnContext(ctx, "a flow takes the classic path until it idles", "flow", v.Entry.Orig, "because", v.Why, "not evicted", v.Risk)
			continue
		}
		m.log.InfoContext(ctx, "evict", "flow", v.Entry.Orig, "because", v.Why)
		evict = append(evict, v.Entry)
	}
	w, err := m.watcher(ctx)
	if err == nil && len(evict) > 0 {
		_, err = w.EvictEntries(ctx, evict)
	}
	if err != nil {
		m.log.WarnContext(ctx, "flows of devices that left a hardware flowtable may take the classic path", "err", err)
	}
}

// stranded are the flows that used hardware flowtables by devices that left them.
func (m *Manager) stranded(ctx context.Context, moves []moved) ([]Victim, error) {
	w, err := m.watcher(ctx)
	if w == nil || err != nil {
		return nil, err
	}
	flows, err := offloaded(ctx, w)
	if len(flows) == 0 || err != nil {
		return nil, err
	}
	between := endsOfAll(flows)
	devices, err := m.devices(ctx, between)
	if err != nil {
		return nil, err
	}
	target, err := m.target(ctx, false, false)
	if err != nil {
		return nil, err
	}
	var victims []Victim
	for i, b := range between {
		if why := strandedBy(target, moves, devices[b[0]], devices[b[1]]); why != "" {
			victims = append(victims, Victim{conntrack.Victim{Entry: flows[i]}, why})
		}
	}
	return victims, m.tellRisks(ctx, w, victims)
}

// strandedBy says why a flow between two devices is stranded; "" if it is not, or if the devices are not known.
func strandedBy(target *flowtable.Target, moves []moved, near, far string) string {
	for _, f := range moves {
		was := target.Above(f.before...)
		if !slices.Contains(was, near) || !slices.Contains(was, far) {
			continue
		}
		now := target.Above(slices.DeleteFunc(slices.Clone(f.before), func(d string) bool { return slices.Contains(f.left, d) })...)
		for _, d := range []string{near, far} {
			if !slices.Contains(now, d) {
				return flowtable.Spelled(d) + " left the hardware flowtable that carried the flow"
			}
		}
	}
	return ""
}
