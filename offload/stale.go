package offload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/ruleset"
)

// A StaleFlow is a flow in the fast path whose packets may go where nobody takes them: the kernel copied where they go when the flow
// was offloaded (docs/stale.md). It is a plain value.
type StaleFlow struct {
	Entry conntrack.Entry `json:"entry"`
	// Why says what changed, or what is missing.
	Why string `json:"why"`
	// Since is when a Manager saw that first.
	Since time.Time `json:"since"`
}

// Stale lists the offloaded flows that may be stale. The kernel tells of no flow where it sends its packets; so a Manager
// remembers neighbours, bridge ports, routes and MTUs from one call to the next, and lists the flows that are in the fast path when it
// finds a change that the kernel does not follow. The first call learns, and finds only neighbours that are missing. A flow stays
// listed until it leaves the fast path, or as long as it may be there (conntrack.Unknown), even if the kernel offloaded it anew in between. RunConfig.Stale calls it when something is announced.
//
// It reads neighbours and routes each time, and connections where they matter. Errors match errors.ErrUnsupported where the Kernel
// knows neither.
func (m *Manager) Stale(ctx context.Context) ([]StaleFlow, error) {
	flows, err := m.findStale(ctx)
	if err != nil {
		return nil, fmt.Errorf("offload: stale flows: %w", err)
	}
	return flows, nil
}

// EvictStale evicts the flows that Stale lists, and returns them: their next packets take the classic path, which finds the way, and
// are offloaded again, as new connections of whichever side speaks first. Errors are those of Stale, and ErrNotEvicted, with those that were evicted beside it.
func (m *Manager) EvictStale(ctx context.Context) ([]StaleFlow, error) {
	flows, err := m.Stale(ctx)
	if err != nil || len(flows) == 0 {
		return nil, err
	}
	w, err := m.watcher(ctx)
	if err != nil {
		return nil, fmt.Errorf("offload: evict stale flows: %w: %w", ErrNotEvicted, err)
	}
	entries := make([]conntrack.Entry, len(flows))
	known := make(map[conntrack.Key]StaleFlow, len(flows))
	for i, f := range flows {
		entries[i], known[f.Entry.Key()] = f.Entry, f
		m.log.InfoContext(ctx, "evict", "flow", f.Entry.Orig, "because", f.Why)
	}
	gone, err := w.EvictEntries(ctx, entries)
	if err == nil {
		return flows, nil
	}
	flows = flows[:0]
	for i := range gone {
		flows = append(flows, known[gone[i].Key()])
	}
	return flows, fmt.Errorf("offload: evict stale flows: %w: %w", ErrNotEvicted, err)
}

// ways are what a Manager remembers of the ways of packets.
type ways struct {
	mu     sync.Mutex
	last   *scene
	change change // what was found and not yet told of all flows
	stale  map[conntrack.Key]staleMark
}

// A staleMark is what is remembered of a stale flow.
type staleMark struct {
	StaleFlow
	lasting bool // nothing mends it but its end: the kernel does not look again
}

var errNoSurvey = fmt.Errorf("%w: this Kernel knows no neighbours and routes", errors.ErrUnsupported)

func (m *Manager) findStale(ctx context.Context) ([]StaleFlow, error) {
	k, ok := m.kernel.(Surveyor)
	if !ok {
		return nil, errNoSurvey
	}
	m.ways.mu.Lock()
	defer m.ways.mu.Unlock()
	now, err := m.look(ctx, k)
	if err != nil {
		return nil, err
	}
	w, err := m.watcher(ctx)
	if err != nil || w == nil {
		return nil, err
	}
	flows, err := offloaded(ctx, w)
	if err != nil {
		return nil, err
	}
	m.ways.change.join(now.changeSince(m.ways.last))
	hops, err := k.NextHops(ctx, addrsOf(endsOfAll(flows)))
	if err != nil {
		return nil, err
	}
	m.ways.stale = m.ways.change.staleOf(flows, hops, now, m.ways.stale)
	m.ways.last, m.ways.change = now, change{}
	var found []StaleFlow
	for _, mark := range m.ways.stale {
		found = append(found, mark.StaleFlow)
	}
	slices.SortFunc(found, func(a, b StaleFlow) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Entry.Orig.String(), b.Entry.Orig.String()))
	})
	return found, nil
}

// look makes a scene, with what is still remembered of earlier ones.
func (m *Manager) look(ctx context.Context, k Surveyor) (*scene, error) {
	target, err := m.target(ctx, false, false)
	if err != nil {
		return nil, err
	}
	survey, err := k.Survey(ctx)
	if err != nil {
		return nil, err
	}
	owner := ruleset.DefaultOwner
	if have := m.memory.get(); have != nil {
		owner = have.Owner() // any will do: flowtables are loaded whoever owns them
	}
	have, err := m.load(ctx, owner)
	if err != nil {
		return nil, err
	}
	now := &scene{Survey: survey, links: map[int]flowtable.Link{}, direct: map[int]bool{},
		strict: target.Kernel.HasQuirk("neighbour-address")}
	for _, l := range target.Links {
		now.links[l.Index] = l
	}
	hardware := false
	for _, f := range have.Flowtables() {
		hardware = hardware || f.Hardware()
	}
	for i := range now.links {
		now.direct[i] = hardware || now.copies(i)
	}
	now.remember(m.ways.last)
	return now, nil
}
