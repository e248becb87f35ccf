package offload

import (
	"context"
	"reflect"
	"slices"
	"time"

	"github.com/go-fastpath/fastpath/ruleset"
)

// A grantWatch says when to look for flows in hardware: nothing announces them. It looks ever more seldom, and after maxGrantWait not until
// something else happens, so that an idle Run sleeps.
type grantWatch struct {
	at      time.Time
	wait    time.Duration
	watched map[part]uint64 // the handles of the flowtables that are waited for
}

// The pauses between two looks for flows in hardware.
const (
	minGrantWait = time.Second
	maxGrantWait = 5 * time.Minute
)

// next sets when to look again while these flowtables wait for their first flow in hardware.
func (g *grantWatch) next(waits bool, handles map[part]uint64) {
	switch {
	case !waits:
		*g = grantWatch{}
	case !reflect.DeepEqual(handles, g.watched):
		*g = grantWatch{at: time.Now().Add(minGrantWait), wait: minGrantWait, watched: handles}
	case g.at.IsZero() || time.Now().Before(g.at): // it is over, or still to come
	case 2*g.wait > maxGrantWait:
		g.at = time.Time{}
	default:
		g.wait *= 2
		g.at = time.Now().Add(g.wait)
	}
}

// hardware says which of our flowtables are in hardware, and whether one was seen to carry a flow.
func (r *run) hardware(ctx context.Context, held *ruleset.Loaded) map[part]string {
	if held == nil {
		return nil
	}
	states, waits, err := r.m.hardwareStates(ctx, held)
	if err != nil && ctx.Err() == nil {
		r.m.log.WarnContext(ctx, "whether drivers carry flows is not known", "owner", r.owner, "err", err)
	}
	handles := map[part]uint64{}
	for _, f := range held.Flowtables() {
		if p := (part{f.Family, f.Table, f.Name}); states[p] == hardwareAsked {
			handles[p] = f.Handle
		}
	}
	r.grants.next(waits, handles)
	return states
}

// watchGrants looks for flows in hardware, when it is time, and tells of the first.
func (r *run) watchGrants(ctx context.Context) {
	if r.grants.at.IsZero() || time.Now().Before(r.grants.at) {
		return
	}
	have := r.m.memory.get()
	if have == nil || have.Owner() != r.owner {
		r.grants.at = time.Time{}
		return
	}
	states := r.hardware(ctx, have)
	s := r.status
	s.Flowtables = slices.Clone(s.Flowtables)
	for i := range s.Flowtables {
		f := &s.Flowtables[i]
		f.Hardware = hardwareState(states, part{f.Family, f.Table, f.Name})
	}
	if !reflect.DeepEqual(s, r.status) {
		r.status = s
		r.m.statuses.put(&s)
	}
}
