package offload

import (
	"context"
	"fmt"
	"iter"
	"sync"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/ruleset"
)

// A memory keeps what was read last. Rules and sets change with the generation only, so they are read again when it moved.
type memory struct {
	mu     sync.Mutex
	loaded *ruleset.Loaded
	byName bool // flowtables keep the names of devices that vanish, as since Linux 6.16
}

func (r *memory) get() (loaded *ruleset.Loaded, byName bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.loaded, r.byName
}

func (r *memory) keep(l *ruleset.Loaded) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.loaded = l
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
	have, err := ruleset.Load(owner, m.kernel.Dump(ctx))
	if err != nil {
		return nil, fmt.Errorf("offload: %w", err)
	}
	if have.Generation() != 0 && !have.Torn() {
		m.memory.keep(have)
	}
	return have, nil
}

// recall is what was read last, if it still holds; nil if not. Before Linux 6.16 a device that vanishes leaves its flowtable
// without a new generation, so flowtables are always read there.
func (m *Manager) recall(ctx context.Context, owner string) (*ruleset.Loaded, error) {
	have, byName := m.memory.get()
	if have == nil || owner != "" && owner != have.Owner() {
		return nil, nil
	}
	generation, err := m.kernel.GenerationID(ctx)
	if err != nil {
		return nil, fmt.Errorf("offload: %w", err)
	}
	if generation != have.Generation() {
		return nil, nil
	}
	if byName || len(have.Flowtables()) == 0 {
		return have, nil
	}
	fresh, err := ruleset.Load(have.Owner(), withFlowtables(have, m.kernel.Flowtables(ctx)))
	if err != nil {
		return nil, fmt.Errorf("offload: %w", err)
	}
	if fresh.Torn() || fresh.Generation() != have.Generation() {
		return nil, nil
	}
	m.memory.keep(fresh)
	return fresh, nil
}

// withFlowtables are the messages of a dump with those of a later one in place of its generation and flowtables.
func withFlowtables(have *ruleset.Loaded, later iter.Seq2[ruleset.Message, error]) iter.Seq2[ruleset.Message, error] {
	return func(yield func(ruleset.Message, error) bool) {
		for m := range have.Messages() {
			switch m.Type {
			case nlmsg.NFTablesType(nlmsg.NFTMsgNewGen), nlmsg.NFTablesType(nlmsg.NFTMsgNewFlowtable):
			default:
				if !yield(m, nil) {
					return
				}
			}
		}
		later(yield)
	}
}
