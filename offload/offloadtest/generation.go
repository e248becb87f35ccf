package offloadtest

import (
	"context"
	"fmt"
	"iter"

	"github.com/go-fastpath/fastpath/internal/mark"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/ruleset"
)

// GenerationID is the ruleset's generation, as an offload.Kernel tells it. What FailDump asked for strikes here too: a
// Manager reads no more while the generation stands.
func (k *Kernel) GenerationID(ctx context.Context) (uint32, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.state.generation, k.takeFault(atDump).err
}

// WriteSysctl is SetSysctl as a Manager does it: only what Manager.SetSettings changes, to values that it can have. The error matches
// fs.ErrNotExist for a setting that is not there.
func (k *Kernel) WriteSysctl(ctx context.Context, key, value string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := mark.CheckHeld(key, value); err != nil {
		return fmt.Errorf("%w; nothing was written", err)
	}
	if _, err := k.Sysctl(ctx, key); err != nil {
		return err
	}
	k.SetSysctl(key, value)
	return nil
}

// Flowtables yields NEWGEN and the flowtables, of one generation.
func (k *Kernel) Flowtables(ctx context.Context) iter.Seq2[ruleset.Message, error] {
	return func(yield func(ruleset.Message, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(ruleset.Message{}, err)
			return
		}
		k.mu.Lock()
		messages := k.state.dumpFlowtables()
		k.mu.Unlock()
		for _, m := range messages {
			if !yield(m, nil) {
				return
			}
		}
	}
}

// dumpFlowtables writes the generation and the flowtables alone.
func (s *state) dumpFlowtables() []ruleset.Message {
	d := &dumper{generation: s.generation, b: nlmsg.NewBuilder(nlmsg.Native(), nil)}
	d.message(nlmsg.NFTMsgNewGen, 0, func() { d.b.Uint32BE(nlmsg.NFTAGenID, s.generation) })
	for _, t := range s.tables {
		u := t.uses()
		for _, f := range t.flowtables {
			d.flowtable(t, f, u.flowtables[f.name])
		}
	}
	return d.messages
}
