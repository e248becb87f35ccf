package offload

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/runlock"
	"github.com/go-fastpath/fastpath/ruleset"
)

// A memory keeps what was read last. Rules and sets change with the generation only, so they are read again when it moved.
type memory struct {
	mu         sync.Mutex
	loaded     *ruleset.Loaded
	outlineOld bool              // tables of others came or went since then: they are to be read again
	resolved   *ruleset.Resolved // what was planned last
	byName     bool              // flowtables keep the names of devices that vanish, as since Linux 6.16
	accounting map[string]string // nf_conntrack_acct before the rules of an owner counted
	ignored    []ruleset.IgnoredMark
}

// resolve resolves a Spec, most of which often is what was planned last.
func (r *memory) resolve(spec *ruleset.Spec, target *flowtable.Target) (*ruleset.Resolved, error) {
	r.mu.Lock()
	earlier := r.resolved
	r.mu.Unlock()
	now, err := spec.ResolveAgain(earlier, target)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.resolved = now
	return now, nil
}

// accountingBefore is what nf_conntrack_acct was before an owner's rules counted; "" if that is not known.
func (r *memory) accountingBefore(owner string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.accounting[owner]
}

// rememberAccounting keeps it; "" forgets it.
func (r *memory) rememberAccounting(owner, before string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.accounting == nil {
		r.accounting = map[string]string{}
	}
	r.accounting[owner] = before
}

func (r *memory) get() *ruleset.Loaded {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.loaded
}

// recalled tells what was read last, whether what it says of others is old, and whether flowtables keep names.
func (r *memory) recalled() (loaded *ruleset.Loaded, outlineOld, byName bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.loaded, r.outlineOld, r.byName
}

func (r *memory) keep(l *ruleset.Loaded) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.loaded, r.outlineOld = l, false
}

// keepOurs keeps what a commit of ours made of what was read last. What others have stays as it was read.
func (r *memory) keepOurs(l *ruleset.Loaded) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.loaded = l
}

// advance brings what was read last forward over commits that changed nothing of ours. outlineOld says that others changed
// tables of theirs.
func (r *memory) advance(from, to uint32, outlineOld bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.loaded != nil && from != 0 && r.loaded.Generation() == from {
		r.loaded, r.outlineOld = r.loaded.At(to), r.outlineOld || outlineOld
	}
}

func (r *memory) learn(byName bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byName = byName
}

// load tells what the kernel holds: what was read last if the generation still is the same, else it is read.
func (m *Manager) load(ctx context.Context, owner string) (*ruleset.Loaded, error) {
	if have, err := m.recall(ctx, owner); have != nil || err != nil {
		return have, err
	}
	have, err := m.readWhole(ctx, owner, func() iter.Seq2[ruleset.Message, error] { return m.dump(ctx, owner) })
	if err != nil {
		return nil, err
	}
	if have.Generation() != 0 && !fleeting(have) {
		m.memory.keep(have)
	}
	m.tellIgnored(ctx, have)
	return have, nil
}

// readWhole reads until what comes belongs together.
func (m *Manager) readWhole(ctx context.Context, owner string, dump func() iter.Seq2[ruleset.Message, error]) (*ruleset.Loaded, error) {
	for attempt := range maxTorn {
		have, err := ruleset.Load(owner, dump())
		if err != nil {
			return nil, fmt.Errorf("offload: %w", err)
		}
		if !have.Torn() {
			return have, nil
		}
		if err := pause(ctx, time.Duration(attempt+1)*10*time.Millisecond); err != nil {
			return nil, fmt.Errorf("offload: %w", err)
		}
	}
	return nil, fmt.Errorf("offload: the kernel's ruleset changed %d times while it was read; try again when those who change it are done", maxTorn)
}

// fleeting reports whether a table goes when its socket is closed (`flags owner`): the kernel deletes it without a new generation, so what was
// read has to be read again. With `persist` it stays.
func fleeting(have *ruleset.Loaded) bool {
	return slices.ContainsFunc(have.Tables(), func(t ruleset.LoadedTable) bool {
		return t.Flags&runlock.FlagOwner != 0 && t.Flags&runlock.FlagPersist == 0
	})
}

// tellIgnored logs the tables that look like ours and are not, once while they stay the same.
func (m *Manager) tellIgnored(ctx context.Context, have *ruleset.Loaded) {
	const most = 10
	now := have.IgnoredMarks()
	if !m.memory.ignores(now) {
		return
	}
	for n, i := range now {
		if n == most {
			m.log.WarnContext(ctx, "more tables are ignored that look like ours", "count", len(now)-n)
			return
		}
		m.log.WarnContext(ctx, i.String())
	}
}

// ignores keeps what is ignored, and reports whether it is something else than before.
func (r *memory) ignores(now []ruleset.IgnoredMark) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	changed := !slices.Equal(now, r.ignored)
	r.ignored = now
	return changed
}

// maxTorn bounds how often a ruleset is read that changes meanwhile. A large set moves its memory for some time after it was filled.
const maxTorn = 20

// pause waits, but not longer than ctx.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// recall is what was read last, if it still holds; nil if not. Before Linux 6.16 a device that vanishes leaves its flowtable
// without a new generation, so flowtables are always read there.
func (m *Manager) recall(ctx context.Context, owner string) (*ruleset.Loaded, error) {
	have, old, byName := m.memory.recalled()
	if have == nil || owner != "" && owner != have.Owner() {
		return nil, nil
	}
	for range maxTorn {
		now, err := m.present(ctx, have, old)
		switch {
		case now == nil || err != nil:
			return nil, err
		case byName || len(now.Flowtables()) == 0:
			m.memory.keep(now)
			return now, nil
		}
		fresh, same, err := now.WithFlowtables(m.kernel.Flowtables(ctx))
		if err != nil {
			return nil, fmt.Errorf("offload: %w", err)
		}
		if same {
			m.memory.keep(fresh)
			return fresh, nil
		}
		have, old = now, false // somebody committed in between
	}
	return nil, nil
}

// present is what was read before, at the present generation; nil if it does not hold any more. What others have is read again where
// the outline of it is old.
func (m *Manager) present(ctx context.Context, have *ruleset.Loaded, outlineOld bool) (*ruleset.Loaded, error) {
	if k, ok := m.kernel.(Selective); ok {
		return m.bring(ctx, k, have, outlineOld)
	}
	generation, err := m.kernel.GenerationID(ctx)
	switch {
	case err != nil:
		return nil, fmt.Errorf("offload: %w", err)
	case generation != have.Generation():
		return nil, nil
	}
	return have, nil
}
