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
	return k.some(ctx, func() error { return nil }, (*dumper).flowtables)
}

// Tables yields NEWGEN, the tables and the flowtables, of one generation.
func (k *Kernel) Tables(ctx context.Context) iter.Seq2[ruleset.Message, error] {
	return k.some(ctx, func() error { return k.takeFault(atDump).err }, func(d *dumper, s *state) {
		for _, t := range s.tables {
			d.table(t)
		}
		d.flowtables(s)
	})
}

// some yields NEWGEN and some of the objects, of one generation, unless a fault is due.
func (k *Kernel) some(ctx context.Context, fault func() error, which func(*dumper, *state)) iter.Seq2[ruleset.Message, error] {
	return func(yield func(ruleset.Message, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(ruleset.Message{}, err)
			return
		}
		k.mu.Lock()
		err, messages := fault(), k.state.dumpSome(k.model, which)
		k.mu.Unlock()
		if err != nil {
			yield(ruleset.Message{}, err)
			return
		}
		for _, m := range messages {
			if !yield(m, nil) {
				return
			}
		}
	}
}

// dumpSome writes the generation and some of the objects.
func (s *state) dumpSome(m model, which func(*dumper, *state)) []ruleset.Message {
	d := &dumper{generation: s.generation, model: m, b: nlmsg.NewBuilder(nlmsg.Native(), nil)}
	d.message(nlmsg.NFTMsgNewGen, 0, func() { d.b.Uint32BE(nlmsg.NFTAGenID, s.generation) })
	which(d, s)
	return d.messages
}

// flowtables writes those of all tables.
func (d *dumper) flowtables(s *state) {
	for _, t := range s.tables {
		u := t.uses()
		for _, f := range t.flowtables {
			d.flowtable(t, f, u.flowtables[f.name])
		}
	}
}
