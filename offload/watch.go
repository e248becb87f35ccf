package offload

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-fastpath/fastpath/conntrack"
)

// Watch opens a Watcher of the Manager's connections: those of its network namespace, of Config.Conntrack, or of its Kernel. cfg is that of
// conntrack.Open, nil means defaults; its NetNS, Source and LosesTags are the Manager's, whatever stands there. The caller closes the Watcher, and the
// Manager after it.
//
// Where Config.Announced and AnnouncedNow are nil, flowtables are named by the rules in force, anyone's (ruleset.Loaded.Announced), and names
// follow when those change; an empty map of Announced asks for none. Where it takes long to read the ruleset and others change it all the
// time, it is read seldom, and names are as they were read last.
//
// Errors are those of conntrack.Open and of reading the ruleset; they match errors.ErrUnsupported where the Kernel has no connections.
func (m *Manager) Watch(ctx context.Context, cfg *conntrack.Config) (*conntrack.Watcher, error) {
	var c conntrack.Config
	if cfg != nil {
		c = *cfg
	}
	c.NetNS, c.Source = "", nil
	if m.connections.source != nil {
		c.Source = lent{m.connections.source}
	}
	if !m.place(&c) {
		return nil, fmt.Errorf("offload: watch: %w", errNoConnections)
	}
	var err error
	if c.LosesTags, err = m.losesTags(ctx); err != nil {
		return nil, fmt.Errorf("offload: watch: %w", err)
	}
	if c.Announced == nil && c.AnnouncedNow == nil {
		if _, err := m.announced(ctx); err != nil {
			return nil, fmt.Errorf("offload: watch: which flowtables are announced: %w", err)
		}
		c.AnnouncedNow = m.announcedNow
	}
	return conntrack.Open(ctx, &c)
}

// announcements are the names of flowtables by the rules that were read last.
type announcements struct {
	mu         sync.Mutex
	names      map[uint32]string
	generation uint32 // of those rules; 0 is none
	next       time.Time
}

// What the reading of rules for their announcements may cost: one that took a second is followed by a pause of twenty, one that took little by none.
const (
	announceShare  = 20
	announceLittle = 50 * time.Millisecond
)

// announced tells what the rules in force announce.
func (m *Manager) announced(ctx context.Context) (map[uint32]string, error) {
	a := &m.announces
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Now().Before(a.next) {
		return a.names, nil
	}
	began := time.Now()
	generation, err := m.kernel.GenerationID(ctx)
	switch {
	case errors.Is(err, errors.ErrUnsupported): // without nf_tables nothing is announced
		return nil, nil
	case err != nil:
		return nil, err
	case generation == a.generation && generation != 0:
		return a.names, nil
	}
	owner := ""
	if r := m.runs.current(); r != nil { // what is read serves it, too
		owner = r.owner
	}
	if a.generation != 0 && m.leavesRules(ctx, a.generation) {
		a.generation = generation
		return a.names, nil
	}
	have, err := m.loadAll(ctx, owner)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return nil, err
	}
	a.names, a.generation = have.Announced(), have.Generation()
	if took := time.Since(began); took > announceLittle {
		a.next = time.Now().Add(took * announceShare)
	}
	return a.names, nil
}

// leavesRules reports whether surely no commit changed rules since a generation.
func (m *Manager) leavesRules(ctx context.Context, generation uint32) bool {
	k, ok := m.kernel.(Selective)
	if !ok {
		return false
	}
	since, err := k.ChangedSince(ctx, generation)
	return err == nil && since.Known && !slices.ContainsFunc(since.Tables, func(t TableChange) bool { return t.Shape || t.Rules })
}

// announcedNow is announced for a Watcher, whose connections are told under the names that are known if the ruleset cannot be read.
func (m *Manager) announcedNow(ctx context.Context) map[uint32]string {
	names, err := m.announced(ctx)
	if err == nil {
		return names
	}
	if ctx.Err() == nil {
		m.log.WarnContext(ctx, "which flowtables are announced is not known", "err", err)
	}
	m.announces.mu.Lock()
	defer m.announces.mu.Unlock()
	return m.announces.names
}

var errNoConnections = fmt.Errorf("%w: this Kernel has no connections; give some as Config.Conntrack", errors.ErrUnsupported)

// lent is the Manager's own Source, which outlives those who borrow it.
type lent struct{ conntrack.Source }

// Close does nothing: the Manager closes it.
func (lent) Close() error { return nil }
