package offload

import (
	"context"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/ruleset"
)

// A fake is a Kernel whose answers are given. It imitates nothing: the real kernel is used wherever it can be.
type fake struct {
	target     flowtable.Target
	generation uint32
	tables     []string // of family inet, as "name owner"; no owner is nobody's
	flowtables [][2]string
	dumpError  error
	commits    []func(*fake) error // what each Commit does, in order; then nothing is wrong
	check      func(b *ruleset.Batch) error
	committed  int
	dumped     int
	swept      int // how often the flowtables alone were read
	checked    []*ruleset.Batch
	closed     bool
}

func (f *fake) Target(context.Context) (*flowtable.Target, error) { t := f.target; return &t, nil }

func (f *fake) Commit(_ context.Context, _ *ruleset.Batch) ([]ruleset.Message, error) {
	f.committed++
	if len(f.commits) == 0 {
		f.generation++
		return nil, nil
	}
	do := f.commits[0]
	f.commits = f.commits[1:]
	return nil, do(f)
}

func (f *fake) Check(_ context.Context, b *ruleset.Batch) error {
	f.checked = append(f.checked, b)
	if f.check == nil {
		return nil
	}
	return f.check(b)
}

func (f *fake) Close() error { f.closed = true; return nil }

func (f *fake) Dump(context.Context) iter.Seq2[ruleset.Message, error] {
	return func(yield func(ruleset.Message, error) bool) {
		f.dumped++
		if f.dumpError != nil {
			yield(ruleset.Message{}, f.dumpError)
			return
		}
		for _, m := range f.messages() {
			if !yield(m, nil) {
				return
			}
		}
	}
}

func (f *fake) GenerationID(context.Context) (uint32, error) { return f.generation, f.dumpError }

func (f *fake) Flowtables(context.Context) iter.Seq2[ruleset.Message, error] {
	return func(yield func(ruleset.Message, error) bool) {
		f.swept++
		for i, m := range f.messages() {
			if i > 0 && i <= len(f.tables) {
				continue
			}
			if !yield(m, nil) {
				return
			}
		}
	}
}

func (f *fake) messages() []ruleset.Message {
	list := []ruleset.Message{f.message(nlmsg.NFTMsgNewGen, func(b *nlmsg.Builder) { b.Uint32BE(nlmsg.NFTAGenID, f.generation) })}
	for i, t := range f.tables {
		list = append(list, f.message(nlmsg.NFTMsgNewTable, func(b *nlmsg.Builder) {
			var name, owner string
			for j := range t {
				if t[j] == ' ' {
					name, owner = t[:j], t[j+1:]
				}
			}
			if name == "" {
				name = t
			}
			b.String(nlmsg.NFTATableName, name)
			b.Uint64BE(nlmsg.NFTATableHandle, uint64(i+1))
			if owner != "" {
				comment := "managed by " + owner + "\x00"
				b.Data(nlmsg.NFTATableUserdata, append([]byte{0, byte(len(comment))}, comment...))
			}
		}))
	}
	for _, ft := range f.flowtables {
		list = append(list, f.message(nlmsg.NFTMsgNewFlowtable, func(b *nlmsg.Builder) {
			b.String(nlmsg.NFTAFlowtableTable, ft[0])
			b.String(nlmsg.NFTAFlowtableName, ft[1])
		}))
	}
	return list
}

func (f *fake) message(typ uint16, attrs func(*nlmsg.Builder)) ruleset.Message {
	b := nlmsg.NewBuilder(nlmsg.Native(), nil)
	b.BeginNetfilter(nlmsg.NFTablesType(typ), 0, 0, nlmsg.FamilyInet, uint16(f.generation))
	attrs(b)
	b.End()
	return ruleset.Message{Type: nlmsg.NFTablesType(typ), Generation: uint16(f.generation), Data: b.Bytes()[16:]}
}

// openFake makes a Manager on a fake.
func openFake(t *testing.T, f *fake) *Manager {
	t.Helper()
	m, err := Open(testContext(t), &Config{Kernel: f})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, m.Close())
		require.True(t, f.closed)
	})
	return m
}

// refuse is a kernel's answer with one errno to the first message of a batch that is for an object of that kind.
func refuse(b *ruleset.Batch, kind ruleset.Kind, errno int, offset uint32) error {
	for i := range b.Messages() {
		if op, ok := b.Operation(i); ok && op.Kind == kind {
			return &ruleset.CommitError{Refusals: []ruleset.Refusal{{Message: i, Errno: errno, Offset: offset}}}
		}
	}
	return nil
}

func refuseBatch(errno int) error {
	return &ruleset.CommitError{Refusals: []ruleset.Refusal{{Errno: errno}}}
}

// fwSpec is a table with a flowtable over two devices and the rule that fills it.
func fwSpec(f flowtable.Spec) *ruleset.Spec {
	f.Name = "fast"
	return &ruleset.Spec{Tables: []ruleset.Table{{
		Name:       "fw",
		Flowtables: []flowtable.Spec{f},
		Chains: []ruleset.Chain{{Name: "forward", Hook: ruleset.Forward, Rules: []ruleset.Rule{
			ruleset.R(ruleset.CTState.Is(ruleset.Established), ruleset.L4Proto.Is(ruleset.TCP, ruleset.UDP), ruleset.FlowAdd("fast")),
		}}},
	}}}
}

func devices(names ...string) flowtable.Spec {
	var f flowtable.Spec
	for _, n := range names {
		f.Devices = append(f.Devices, flowtable.Selector{Name: n})
	}
	return f
}
