package offload

import (
	"context"
	"reflect"
	"strings"
	"time"

	"github.com/go-fastpath/fastpath/ruleset"
)

// switchedOff is why nothing is listed while the kill switch is on.
var switchedOff = ErrOff.Error()

// A deviceKey names one device of one flowtable; n counts flowtables of one name in several tables.
type deviceKey struct {
	flowtable, device string
	n                 int
}

// tell makes the Status known, if something of it changed. A nil view is one that could not be had: what is known stays.
func (r *run) tell(ctx context.Context, phase Phase, now *view, err error) {
	s := r.status
	s.Phase, s.Changes, s.Retry = phase, r.changes, time.Time{}
	s.Drift, s.DriftBy, s.DriftOpen, s.DriftCount, s.DriftAt = r.drift.undo, r.drift.by, r.driftOpen, r.driftCount, r.driftAt
	s.Err, s.Cause, s.Reason = "", nil, ""
	if phase != r.status.Phase {
		s.Since = time.Now()
	}
	if err != nil {
		s.Err, s.Cause, s.Reason = err.Error(), err, ReasonOf(err)
	} else if r.deaf != nil {
		s.Err, s.Cause, s.Reason = r.deaf.Error(), r.deaf, ReasonOf(r.deaf)
	}
	switch phase {
	case PhaseRetrying:
		s.Retry = earlier(r.retryAt, r.refused.until)
	case PhaseFrozen:
		s.Retry = r.thawAt
	}
	if now != nil {
		r.describe(ctx, &s, now)
	}
	if reflect.DeepEqual(s, r.status) && phase != PhaseStarting {
		return
	}
	if phase != r.status.Phase {
		r.m.log.DebugContext(ctx, "run", "owner", r.owner, "phase", phase, "generation", s.Generation)
	}
	r.status = s
	r.m.statuses.put(&s)
}

// describe fills in what a view tells.
func (r *run) describe(ctx context.Context, s *Status, now *view) {
	held := r.held(ctx, s.Phase)
	s.Generation = r.known
	s.Off = ruleset.Off{}
	if now.off {
		s.Off, _ = now.have.Off(r.owner)
	}
	s.Devices = r.deviceStatuses(ctx, now, held)
	s.Flowtables = r.flowtableStatuses(ctx, now, held)
	s.LiveSets = r.liveStatuses()
	s.Warnings = append(now.plan.Warnings(), r.drift.advice(r.spec)...)
	s.Pending = nil
	if s.Phase == PhaseSteady || s.Phase == PhaseOff || r.left != nil && r.left.plan == now.plan {
		return
	}
	for _, op := range now.plan.Operations() {
		s.Pending = append(s.Pending, op.String())
	}
}

// held is what the kernel holds; while we work, what it held before.
func (r *run) held(ctx context.Context, phase Phase) *ruleset.Loaded {
	have := r.m.memory.get()
	if have != nil && have.Owner() == r.owner && (phase == PhaseWorking || have.Generation() == r.known) {
		return have
	}
	have, err := r.m.load(ctx, r.owner)
	if err != nil {
		return nil
	}
	return have
}

// deviceStatuses says since when each device is what it is.
func (r *run) deviceStatuses(ctx context.Context, view *view, held *ruleset.Loaded) []DeviceStatus {
	listed := listedBy(held, r.owner)
	now := make(map[deviceKey]DeviceStatus, len(view.bindings))
	list := make([]DeviceStatus, 0, len(view.bindings))
	for _, b := range view.bindings {
		if view.off {
			b.Hardware, b.Why = false, switchedOff
		}
		if b.State.Listed() && !listed[deviceKey{flowtable: b.Flowtable, device: b.Device}] {
			b.State = Desired
			if view.lacks != nil {
				b.Hardware, b.Why = false, ErrNoFlowtables.Error()
			}
		}
		key := deviceKey{flowtable: b.Flowtable, device: b.Device}
		for _, taken := now[key]; taken; _, taken = now[key] {
			key.n++
		}
		d := DeviceStatus{Binding: b, Since: time.Now(), Cause: r.refused.of(&b)}
		switch {
		case view.off:
			d.Cause = ErrOff
		case view.lacks != nil && b.State == Desired:
			d.Cause = view.lacks
		}
		d.Reason = ReasonOf(d.Cause)
		was, known := r.devices[key]
		if known && was.State == b.State {
			d.Since = was.Since
		} else if b.State != Desired {
			r.m.log.InfoContext(ctx, "device", "flowtable", b.Flowtable, "device", b.Device, "state", b.State, "was", was.State, "why", b.Why)
		}
		now[key] = d
		list = append(list, d)
	}
	r.devices = now
	return list
}

// listedBy are the devices that an owner's flowtables list in the kernel, as nft prints them.
func listedBy(held *ruleset.Loaded, owner string) map[deviceKey]bool {
	if held == nil {
		return nil
	}
	ours := ownedTables(held, owner)
	list := map[deviceKey]bool{}
	for _, f := range held.Flowtables() {
		if !ours[part{f.Family, f.Table, ""}] {
			continue
		}
		for _, d := range f.Devices {
			list[deviceKey{flowtable: f.Name, device: d.String()}] = true
		}
	}
	return list
}

// ownedTables are those that bear an owner's mark.
func ownedTables(held *ruleset.Loaded, owner string) map[part]bool {
	ours := map[part]bool{}
	for _, t := range held.Tables() {
		if t.Owner == owner {
			ours[part{t.Family, t.Name, ""}] = true
		}
	}
	return ours
}

// flowtableStatuses tells of each declared flowtable what the kernel made of it.
func (r *run) flowtableStatuses(ctx context.Context, view *view, held *ruleset.Loaded) []FlowtableStatus {
	loaded := map[part]ruleset.LoadedFlowtable{}
	if held != nil {
		ours := ownedTables(held, r.owner)
		for _, f := range held.Flowtables() {
			if ours[part{f.Family, f.Table, ""}] {
				loaded[part{f.Family, f.Table, f.Name}] = f
			}
		}
	}
	hardware := r.hardware(ctx, held)
	var list []FlowtableStatus
	for i := range r.spec.Tables {
		t := &r.spec.Tables[i]
		for j := range t.Flowtables {
			p := partOf(t, &t.Flowtables[j])
			f := loaded[p]
			s := FlowtableStatus{Family: p.family, Table: p.table, Name: p.name, Handle: f.Handle, Failed: r.refused.failed(p), Cause: r.refused.cause(p)}
			s.Hardware = hardwareState(hardware, p)
			switch {
			case view.off:
				s.Failed, s.Cause = switchedOff, ErrOff
			case view.lacks != nil: // told in full by Status.Err
				s.Failed, s.Cause = ErrNoFlowtables.Error(), view.lacks
			}
			s.Reason = ReasonOf(s.Cause)
			list = append(list, s)
		}
	}
	return list
}

// tellStopped is the last Status of a Run.
func (r *run) tellStopped(err error) {
	s := r.status
	s.Phase, s.Since, s.Retry = PhaseStopped, time.Now(), time.Time{}
	if err != nil {
		s.Err, s.Cause, s.Reason = strings.TrimPrefix(err.Error(), "offload: "), err, ReasonOf(err)
	}
	r.m.statuses.put(&s)
}
