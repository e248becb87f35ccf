package offload

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/ruleset"
	"github.com/go-fastpath/fastpath/ruleset/judge"
)

// A Victim is a flow in the fast path that a plan forbids or excludes: it meets no rule there until it is evicted. It is a plain value.
type Victim struct {
	conntrack.Victim
	// Why names the rule, or says that none offloads the flow any more.
	Why string `json:"why"`
}

// Victims lists the flows that Apply would evict for a plan. It changes nothing. What the kernel does not tell of a flow (its
// packets' mark, TCP flags) may be either way: a flow that could be concerned is. Errors are those of Watcher.Entries.
func (m *Manager) Victims(ctx context.Context, plan *ruleset.Plan) ([]Victim, error) {
	if plan == nil {
		return nil, fmt.Errorf("offload: victims: %w", errNoPlan)
	}
	before, err := m.heldFor(ctx, plan)
	if err != nil {
		return nil, err
	}
	victims, err := m.victims(ctx, plan, before)
	if err != nil {
		return nil, fmt.Errorf("offload: victims: %w", err)
	}
	return victims, nil
}

// heldFor is what the kernel held when a plan was made, as far as that is known; else what it holds now.
func (m *Manager) heldFor(ctx context.Context, plan *ruleset.Plan) (*ruleset.Loaded, error) {
	if have := m.memory.get(); have != nil && have.Generation() == plan.Generation() {
		return have, nil
	}
	return m.load(ctx, plan.Owner())
}

// victims are the flows that a plan concerns, on top of what was held before it.
func (m *Manager) victims(ctx context.Context, plan *ruleset.Plan, before *ruleset.Loaded) ([]Victim, error) {
	if len(before.Flowtables()) == 0 || !changesRules(plan) {
		return nil, nil
	}
	return m.concerned(ctx, func() (*judge.Change, error) { return changeOf(plan, before) })
}

// concerned are the flows in the fast path that a change is about.
func (m *Manager) concerned(ctx context.Context, changeOf func() (*judge.Change, error)) ([]Victim, error) {
	w, err := m.watcher(ctx)
	if w == nil || err != nil {
		return nil, err
	}
	flows, err := offloaded(ctx, w)
	if len(flows) == 0 || err != nil {
		return nil, err
	}
	change, err := changeOf()
	if err != nil || change.Nothing() {
		return nil, err
	}
	victims := judgeAll(change, flows, nil)
	if len(victims) == 0 {
		return nil, nil
	}
	flows = flows[:0]
	for i := range victims {
		flows = append(flows, victims[i].Entry)
	}
	// Devices are looked up for those alone that it may matter to.
	devices, err := m.devices(ctx, endsOfAll(flows))
	if err != nil {
		return nil, err
	}
	if len(devices) > 0 {
		victims = judgeAll(change, flows, devices)
	}
	victims = slices.DeleteFunc(victims, func(v Victim) bool { return endsHere(&v.Entry, devices) })
	return victims, m.tellRisks(ctx, w, victims)
}

// endsHere reports whether a connection without a tag is the machine's own: no rule of the forward hook is about it, and no flowtable has it. A busy
// one looks as if it could be in one, and with nf_conntrack_tcp_loose=0 it would break when it is evicted.
func endsHere(e *conntrack.Entry, devices map[netip.Addr]string) bool {
	return e.Path() == conntrack.Unknown && slices.ContainsFunc(addrsOf([]ends{endsOf(e)}), func(a netip.Addr) bool {
		device, told := devices[a]
		return told && device == ""
	})
}

// changesRules reports whether a plan may change what rules say of a flow.
func changesRules(plan *ruleset.Plan) bool {
	return slices.ContainsFunc(plan.Operations(), func(op ruleset.Operation) bool { return op.Kind != ruleset.KindFlowtable })
}

// offloaded are the flows in the fast path, of any flowtable, and those that may be where the kernel loses tags.
func offloaded(ctx context.Context, w *conntrack.Watcher) ([]conntrack.Entry, error) {
	var flows []conntrack.Entry
	for e, err := range w.Entries(ctx, w.InFastPath()) {
		if err != nil {
			return nil, err
		}
		flows = append(flows, e)
	}
	return flows, nil
}

func judgeAll(change *judge.Change, flows []conntrack.Entry, devices map[netip.Addr]string) []Victim {
	var victims []Victim
	for _, e := range flows {
		f := flowOf(&e, devices)
		if found := change.Judge(&f); found.Evict {
			victims = append(victims, Victim{conntrack.Victim{Entry: e}, found.Why})
		}
	}
	return victims
}

// flowOf is a connection as it is judged. In both directions it runs between its two ends.
func flowOf(e *conntrack.Entry, devices map[netip.Addr]string) judge.Flow {
	between := endsOf(e)
	near, far := devices[between[0]], devices[between[1]]
	return judge.Flow{
		Protocol: e.Orig.Proto,
		Tuples:   [2]judge.Tuple{{Src: e.Orig.Src, Dst: e.Orig.Dst}, {Src: e.Reply.Src, Dst: e.Reply.Dst}},
		Carried: [2]judge.Meter{
			{Packets: e.Sent.Packets, Bytes: e.Sent.Bytes},
			{Packets: e.Received.Packets, Bytes: e.Received.Bytes},
		},
		Counted: e.Sent.OK && e.Received.OK,
		Mark:    e.Mark, Status: uint32(e.Status), Zone: e.Zone,
		In:  [2]string{near, far},
		Out: [2]string{far, near},
	}
}

// tellRisks says of each flow whether it may break.
func (m *Manager) tellRisks(ctx context.Context, w *conntrack.Watcher, victims []Victim) error {
	if len(victims) == 0 {
		return nil
	}
	settings, err := w.Settings(ctx)
	for i := range victims {
		victims[i].Risk = settings.Risk(&victims[i].Entry)
	}
	return err
}

// warnOfRisks says before a change which connections may break by it.
func (m *Manager) warnOfRisks(ctx context.Context, plan *ruleset.Plan, before *ruleset.Loaded) error {
	victims, err := m.victims(ctx, plan, before)
	if errors.Is(err, errors.ErrUnsupported) {
		m.log.WarnContext(ctx, "flows that the plan forbids cannot be evicted", "err", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("offload: apply: look for flows that the plan forbids: %w; nothing was changed. "+
			"Next: Config.NoEvict applies without looking", err)
	}
	for _, v := range victims {
		if v.Risk != "" {
			m.log.WarnContext(ctx, "evicting a flow may break its connection", "flow", v.Entry.Orig, "because", v.Why, "risk", v.Risk)
		}
	}
	return nil
}
