package ruleset_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

const someTime = "2026-01-02T03:04:05Z"

// TestSwitchOff drains every ruleset of the world from a kernel in memory, without its Spec, and brings it back.
func TestSwitchOff(t *testing.T) {
	for name, spec := range ruleset.DeclaredSpecs() {
		t.Run(name, func(t *testing.T) {
			k := newKernel(t)
			full := resolve(t, spec)
			k.apply(k.diff(full))
			before := k.load()

			k.apply(k.plan(ruleset.SwitchOff(before, spec.Owner, "2026-01-02T03:04:05Z")))
			drained := k.load()
			off, is := drained.Off(spec.Owner)
			require.True(t, is)
			assert.Equal(t, ruleset.Off{Owner: full.Owner(), Since: "2026-01-02T03:04:05Z"}, off)
			assert.Empty(t, drained.Flowtables())
			assert.Subset(t, kept(drained), kept(before), "whoever does not offload keeps his handle")
			assert.True(t, k.plan(ruleset.SwitchOff(drained, spec.Owner, "2030-01-01T00:00:00Z")).Empty(), "again")

			without := k.diff(resolve(t, spec.WithoutFlowtables()))
			for _, op := range without.Operations() {
				ofPolicy := strings.HasPrefix(op.Name, "offload-") || op.Name == "to_fast"
				assert.True(t, op.Verb == ruleset.VerbDelete && ofPolicy, "%s: the drained tables are what is wanted, but for the policies' chains", op)
			}
			k.apply(without)
			again := k.diff(full)
			assert.Contains(t, strings.Join(again.Warnings(), "\n"), "switched off since 2026-01-02T03:04:05Z, and this plan brings flowtables")

			k.apply(k.plan(ruleset.SwitchOn(k.load(), spec.Owner)))
			k.apply(k.diff(full))
			assert.Equal(t, len(before.Flowtables()), len(k.load().Flowtables()))
			assert.True(t, k.diff(full).Empty())
			assert.True(t, k.plan(ruleset.SwitchOn(k.load(), spec.Owner)).Empty())
		})
	}
}

// TestSwitchOffCuts: what a rule does before it offloads stays, under its handle, as one of ours that nobody tampered with.
func TestSwitchOffCuts(t *testing.T) {
	k := newKernel(t)
	spec := &ruleset.Spec{Tables: []ruleset.Table{{
		Name: "x", Flowtables: []flowtable.Spec{{Name: "fast", Devices: []flowtable.Selector{{Name: "eth0"}}}},
		Chains: []ruleset.Chain{{Name: "forward", Hook: ruleset.Forward, Rules: []ruleset.Rule{
			ruleset.R(ruleset.CTState.Is("established"), ruleset.IPSaddr.Is("10.0.0.1", "10.0.0.7"), ruleset.Counter(), ruleset.FlowAdd("fast"), ruleset.Accept()).Note("counts"),
			ruleset.R(ruleset.Limit(5, "second"), ruleset.FlowAdd("fast")),
		}}},
	}}}
	k.apply(k.diff(resolve(t, spec)))
	before := k.load().Rules()
	plan := k.plan(ruleset.SwitchOff(k.load(), "", someTime))
	assert.True(t, plan.Disruptive())
	k.apply(plan)
	after := k.load().Rules()
	require.Len(t, after, 1)
	assert.Equal(t, before[0].Handle, after[0].Handle)
	assert.Equal(t, "counts", after[0].Comment)
	assert.True(t, after[0].Ours)
	assert.NotContains(t, string(after[0].Expressions), "flow_offload")
	assert.Contains(t, string(after[0].Expressions), "counter")
	assert.True(t, k.diff(resolve(t, spec.WithoutFlowtables())).Empty(), "with the set that it looks up")

	k.apply(k.plan(ruleset.SwitchOn(k.load(), "")))
	back := k.diff(resolve(t, spec))
	assert.Contains(t, reasons(back), "it is declared otherwise")
	assert.NotContains(t, reasons(back), "someone")
}

// TestSwitchOffNothing: with nothing installed there is only the mark, which other owners do not see and no plan deletes.
func TestSwitchOffNothing(t *testing.T) {
	plan, err := ruleset.SwitchOff(nil, "", someTime)
	require.NoError(t, err)
	assert.Regexp(t, `^create table inet fastpath_off_[0-9a-f]{32} { comment "managed by fastpath, off since 2026-01-02T03:04:05Z"; }\n$`, plan.String())
	k := newKernel(t)
	k.apply(k.plan(ruleset.SwitchOff(k.load(), "a", someTime)))
	for owner, want := range map[string]bool{"a": true, "": false, "b": false} {
		_, is := k.load().Off(owner)
		assert.Equal(t, want, is, owner)
	}
	assert.True(t, k.diff(resolve(t, &ruleset.Spec{Owner: "a"})).Empty(), "it is no table of the owner")
	_, err = ruleset.SwitchOff(nil, strings.Repeat("x", 200), someTime)
	assert.ErrorContains(t, err, "owner")
}

// TestRestoreWhileOff: what is put back comes without flowtables as long as the mark stands.
func TestRestoreWhileOff(t *testing.T) {
	k := newKernel(t)
	spec := ruleset.DeclaredSpecs()["vyos-ft01"]
	k.apply(k.diff(resolve(t, spec)))
	change := k.diff(resolve(t, &ruleset.Spec{}))
	backup, err := change.Backup(k.load())
	require.NoError(t, err)
	k.apply(change)
	k.apply(k.plan(ruleset.SwitchOff(k.load(), "", someTime)))
	k.apply(k.plan(backup.Restore(k.load(), ruleset.Restoration{})))
	have := k.load()
	assert.Empty(t, have.Flowtables())
	assert.NotEmpty(t, have.Rules())
	for _, r := range have.Rules() {
		assert.NotContains(t, string(r.Expressions), "flow_offload")
	}
	_, is := have.Off("")
	assert.True(t, is)
	k.apply(k.plan(ruleset.SwitchOn(k.load(), "")))
	k.apply(k.plan(backup.Restore(k.load(), ruleset.Restoration{})))
	assert.NotEmpty(t, k.load().Flowtables())
}

// TestOffMovesTheGround: a plan from before the switch is no longer the plan.
func TestOffMovesTheGround(t *testing.T) {
	k := newKernel(t)
	k.apply(k.diff(resolve(t, &ruleset.Spec{Tables: []ruleset.Table{{Name: "x"}}})))
	plan := k.diff(resolve(t, &ruleset.Spec{Tables: []ruleset.Table{{Name: "x", Flowtables: []flowtable.Spec{{Name: "fast"}}}}}))
	assert.True(t, plan.SameGround(k.load()))
	k.apply(k.plan(ruleset.SwitchOff(k.load(), "", someTime)))
	assert.False(t, plan.SameGround(k.load()))
}

// A testKernel is a kernel in memory, and the way to it.
type testKernel struct {
	t *testing.T
	*offloadtest.Kernel
}

func newKernel(t *testing.T) testKernel {
	return testKernel{t, offloadtest.New(t, offloadtest.Linux72())}
}

func (k testKernel) load() *ruleset.Loaded {
	k.t.Helper()
	l, err := ruleset.Load("", k.Dump(k.t.Context()))
	require.NoError(k.t, err)
	return l
}

func (k testKernel) diff(want *ruleset.Resolved) *ruleset.Plan {
	k.t.Helper()
	return k.plan(ruleset.Diff(k.load(), want))
}

func (k testKernel) plan(p *ruleset.Plan, err error) *ruleset.Plan {
	k.t.Helper()
	require.NoError(k.t, err)
	return p
}

func (k testKernel) apply(p *ruleset.Plan) {
	k.t.Helper()
	if p.Empty() {
		return
	}
	batch, err := p.Batch(nil)
	require.NoError(k.t, err)
	_, err = k.Commit(k.t.Context(), batch)
	require.NoError(k.t, err, "%s", p)
}

func resolve(t *testing.T, s *ruleset.Spec) *ruleset.Resolved {
	t.Helper()
	r, err := s.Resolve(offloadtest.Linux72())
	require.NoError(t, err)
	return r
}

// kept are the handles of the rules that do not offload, by table and chain.
func kept(l *ruleset.Loaded) map[uint64]string {
	handles := map[uint64]string{}
	for _, r := range l.Rules() {
		if !bytes.Contains(r.Expressions, []byte("flow_offload")) {
			handles[r.Handle] = string(r.Family) + " " + r.Table + " " + r.Chain
		}
	}
	return handles
}

func reasons(p *ruleset.Plan) string {
	var b strings.Builder
	for _, op := range p.Operations() {
		b.WriteString(op.Reason + "\n")
	}
	return b.String()
}
