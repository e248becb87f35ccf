package ruleset_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

// A machine is a kernel in memory, to which Specs are applied.
type machine struct {
	*testing.T
	kernel *offloadtest.Kernel
}

func (m machine) load() *ruleset.Loaded {
	m.Helper()
	have, err := ruleset.Load("", m.kernel.Dump(m.Context()))
	require.NoError(m, err)
	return have
}

func (m machine) plan(s *ruleset.Spec) *ruleset.Plan {
	m.Helper()
	target, err := m.kernel.Target(m.Context())
	require.NoError(m, err)
	want, err := s.Resolve(target)
	require.NoError(m, err)
	plan, err := ruleset.Diff(m.load(), want)
	require.NoError(m, err)
	return plan
}

func (m machine) apply(p *ruleset.Plan) {
	m.Helper()
	batch, err := p.Batch(nil)
	require.NoError(m, err)
	_, err = m.kernel.Commit(m.Context(), batch)
	require.NoError(m, err)
}

// accelerated is a table with a hardware flowtable over these devices, and a live set.
func accelerated(hardware flowtable.Hardware, devices ...string) *ruleset.Spec {
	f := flowtable.Spec{Name: "fast", Hardware: hardware}
	for _, d := range devices {
		f.Devices = append(f.Devices, flowtable.Selector{Name: d})
	}
	return &ruleset.Spec{Tables: []ruleset.Table{{
		Name:       "fw",
		Flowtables: []flowtable.Spec{f},
		Sets: []ruleset.Set{
			{Name: "slow", Type: ruleset.IPv4Addr, Interval: true, Live: true, Elements: []string{"192.0.2.0/24"}},
			{Name: "ports", Type: ruleset.InetService, Live: true},
		},
		Chains: []ruleset.Chain{{Name: "c", Hook: ruleset.Forward, Rules: []ruleset.Rule{ruleset.R(ruleset.FlowAdd("fast"))}}},
	}}}
}

// A dry run asks no driver: what is made loses the flag, what exists gains nothing.
func TestWithoutHardware(t *testing.T) {
	m := machine{t, offloadtest.New(t, offloadtest.Linux72("eth0", "eth1"))}
	plan := m.plan(accelerated(flowtable.HardwareOn, "eth0"))
	dry, left := plan.WithoutHardware()
	require.Len(t, left, 1)
	assert.Contains(t, left[0].String(), "flags offload")
	assert.NotContains(t, dry.String(), "flags offload")
	assert.Contains(t, plan.String(), "flags offload", "the plan itself stays as it is")
	assert.Len(t, dry.Operations(), len(plan.Operations()))

	m.apply(plan)
	more := m.plan(accelerated(flowtable.HardwareOn, "eth0", "eth1"))
	require.Len(t, more.Operations(), 1)
	dry, left = more.WithoutHardware()
	assert.True(t, dry.Empty())
	assert.Len(t, left, 1)

	fewer := m.plan(accelerated(flowtable.HardwareOn))
	require.Len(t, fewer.Operations(), 1)
	dry, left = fewer.WithoutHardware()
	assert.Same(t, fewer, dry, "what leaves a flowtable is unbound at the commit alone")
	assert.Empty(t, left)

	soft := m.plan(accelerated(flowtable.HardwareOff, "eth0"))
	_, left = soft.WithoutHardware()
	assert.Empty(t, left)
}

func TestCounts(t *testing.T) {
	m := machine{t, offloadtest.New(t, nil)}
	spec := accelerated(flowtable.HardwareOff)
	assert.False(t, m.plan(spec).Counts())
	spec.Tables[0].Chains[0].Rules = append(spec.Tables[0].Chains[0].Rules, ruleset.R(ruleset.CTPackets.AtLeast(30), ruleset.Counter()))
	assert.True(t, m.plan(spec).Counts())
	assert.Empty(t, m.plan(spec).RawOperations())
}

func TestElementPlan(t *testing.T) {
	m := machine{t, offloadtest.New(t, nil)}
	m.apply(m.plan(accelerated(flowtable.HardwareOff)))
	elements := func(verb ruleset.Verb, set string, words ...string) *ruleset.Plan {
		t.Helper()
		plan, err := ruleset.ElementPlan(m.load(), verb, "", "fw", set, words...)
		require.NoError(t, err)
		return plan
	}
	held := func(name string) []string {
		for _, s := range m.load().Sets() {
			if s.Name == name {
				return s.Elements()
			}
		}
		return nil
	}
	plan := elements(ruleset.VerbAdd, "slow", "192.0.2.0/24", "198.51.100.7", "10.0.0.1-10.0.0.9")
	assert.Equal(t, "add element inet fw slow { 10.0.0.1-10.0.0.9, 198.51.100.7 }\n", plan.String())
	assert.Equal(t, m.load().Generation(), plan.Generation())
	m.apply(plan)
	assert.Equal(t, []string{"10.0.0.1-10.0.0.9", "192.0.2.0/24", "198.51.100.7"}, held("slow"))
	again, err := plan.Rebase(m.load())
	require.NoError(t, err)
	assert.True(t, again.Empty(), "%s", again)
	assert.True(t, m.plan(accelerated(flowtable.HardwareOff)).Empty(), "a Spec leaves live sets alone")

	m.apply(elements(ruleset.VerbDelete, "slow", "198.51.100.7", "203.0.113.1"))
	assert.Equal(t, []string{"10.0.0.1-10.0.0.9", "192.0.2.0/24"}, held("slow"))
	assert.True(t, elements(ruleset.VerbDelete, "ports", "80").Empty())
	m.apply(elements(ruleset.VerbAdd, "ports", "443", "80"))
	assert.Equal(t, []string{"80", "443"}, held("ports"))
}

func TestElementPlanRefuses(t *testing.T) {
	m := machine{t, offloadtest.New(t, nil)}
	m.apply(m.plan(accelerated(flowtable.HardwareOff)))
	other, err := ruleset.Load("someone", m.kernel.Dump(t.Context()))
	require.NoError(t, err)
	for _, c := range []struct {
		have  *ruleset.Loaded
		verb  ruleset.Verb
		table string
		set   string
		word  string
		says  string
	}{
		{m.load(), ruleset.VerbReplace, "fw", "slow", "10.0.0.1", "neither"},
		{m.load(), ruleset.VerbAdd, "gone", "slow", "10.0.0.1", "table inet gone does not exist"},
		{m.load(), ruleset.VerbAdd, "fw", "gone", "10.0.0.1", "has no set gone"},
		{m.load(), ruleset.VerbAdd, "fw", "slow", "ten", "ten"},
		{m.load(), ruleset.VerbAdd, "fw", "ports", "1-2", "more than one value"},
		{other, ruleset.VerbAdd, "fw", "slow", "10.0.0.1", "belongs to someone else"},
	} {
		_, err := ruleset.ElementPlan(c.have, c.verb, "", c.table, c.set, c.word)
		assert.ErrorContains(t, err, c.says)
	}
}

// A device that vanishes on Linux 6.1 is seen without reading the rest again.
func TestWithFlowtables(t *testing.T) {
	m := machine{t, offloadtest.New(t, offloadtest.Linux61("eth0", "eth1"))}
	m.apply(m.plan(accelerated(flowtable.HardwareOff, "eth0", "eth1")))
	before := m.load()
	same, ok, err := before.WithFlowtables(m.kernel.Flowtables(t.Context()))
	require.NoError(t, err)
	assert.True(t, ok)
	assert.Same(t, before, same)

	m.kernel.DelLink("eth1")
	now, ok, err := before.WithFlowtables(m.kernel.Flowtables(t.Context()))
	require.NoError(t, err)
	require.True(t, ok)
	assert.Equal(t, m.load().Flowtables(), now.Flowtables())
	assert.Len(t, before.Flowtables()[0].Devices, 2, "what was read before stays as it was")

	m.kernel.ForeignCommit()
	_, ok, err = before.WithFlowtables(m.kernel.Flowtables(t.Context()))
	require.NoError(t, err)
	assert.False(t, ok, "another generation")
}
