package offload_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

const acct = "net.netfilter.nf_conntrack_acct"

// onFake opens a Manager on a kernel in memory.
func onFake(t *testing.T, target *flowtable.Target, cfg *offload.Config) (*offload.Manager, *offloadtest.Kernel) {
	t.Helper()
	kernel := offloadtest.New(t, target)
	c := offload.Config{}
	if cfg != nil {
		c = *cfg
	}
	c.Kernel = kernel
	m, err := offload.Open(t.Context(), &c)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, m.Close()) })
	return m, kernel
}

// elephants offloads what carried 20 packets, by a flowtable that asks drivers or not.
func elephants(hardware flowtable.Hardware, devices ...string) *ruleset.Spec {
	f := flowtable.Spec{Name: "fast", Hardware: hardware}
	for _, d := range devices {
		f.Devices = append(f.Devices, flowtable.Selector{Name: d})
	}
	return &ruleset.Spec{Tables: []ruleset.Table{{
		Name: "fw", Flowtables: []flowtable.Spec{f},
		Chains: []ruleset.Chain{{Name: "forward", Hook: ruleset.Forward, Rules: []ruleset.Rule{
			ruleset.R(ruleset.CTState.Is(ruleset.Established), ruleset.CTPackets.AtLeast(20), ruleset.FlowAdd("fast")),
		}}},
	}}}
}

// A dry run asks no driver and leaves accounting as it was; what it did not ask, it says.
func TestDryRunClosesItsHoles(t *testing.T) {
	for _, target := range []*flowtable.Target{offloadtest.Linux61("eth0"), offloadtest.Linux612("eth0"), offloadtest.Linux72("eth0")} {
		t.Run(target.Kernel.Release, func(t *testing.T) {
			m, kernel := onFake(t, target, nil)
			kernel.Refuse("eth0") // an asked driver would fail the dry run
			kernel.SetSysctl(acct, "0")
			plan, err := m.Plan(t.Context(), elephants(flowtable.HardwareOn, "eth0"))
			require.NoError(t, err)
			checked, err := m.DryRun(t.Context(), plan)
			require.NoError(t, err)
			require.Len(t, checked.Unchecked, 1)
			assert.Equal(t, "fast", checked.Unchecked[0].Operation.Name)
			assert.Contains(t, checked.Unchecked[0].Why, "hardware")
			assert.Equal(t, []offload.Setting{{Key: acct, Value: "0"}}, checked.Restored)
			assert.Equal(t, plan.Generation(), checked.Generation)
			assert.Empty(t, kernel.Ruleset())

			kernel.SetSysctl(acct, "1")
			checked, err = m.DryRun(t.Context(), plan)
			require.NoError(t, err)
			assert.Empty(t, checked.Restored, "it was on before")
			_, err = m.Apply(t.Context(), plan)
			require.ErrorIs(t, err, offload.ErrHardwareRefused)
		})
	}
}

// What a dry run cannot see of a new table is told, and our own validation sees what is declared.
func TestDryRunTellsOfPlacement(t *testing.T) {
	m, _ := onFake(t, offloadtest.Linux72(), nil)
	for name, chains := range map[string][]ruleset.Chain{
		"directly":  {{Name: "input", Hook: ruleset.Input, Rules: []ruleset.Rule{ruleset.R(ruleset.FlowAdd("fast"))}}},
		"by a jump": {{Name: "input", Hook: ruleset.Input, Rules: []ruleset.Rule{ruleset.R(ruleset.Jump("deep"))}}, {Name: "deep", Rules: []ruleset.Rule{ruleset.R(ruleset.FlowAdd("fast"))}}},
	} {
		t.Run(name, func(t *testing.T) {
			spec := elephants(flowtable.HardwareOff)
			spec.Tables[0].Chains = chains
			_, err := m.Plan(t.Context(), spec)
			var wrong *flowtable.FieldError
			require.ErrorAs(t, err, &wrong)
		})
	}
	spec := elephants(flowtable.HardwareOff)
	raw := ruleset.Statement{Raw: &ruleset.Raw{Text: "flow add @fast", Expr: [][]byte{rawFlowAdd("fast")}}}
	spec.Tables[0].Chains = []ruleset.Chain{{Name: "input", Hook: ruleset.Input, Rules: []ruleset.Rule{ruleset.R(raw)}}}
	plan, err := m.Plan(t.Context(), spec)
	require.NoError(t, err)
	checked, err := m.DryRun(t.Context(), plan)
	require.NoError(t, err, "the kernel's hole")
	require.Len(t, checked.Unchecked, 1)
	assert.Contains(t, checked.Unchecked[0].Why, "placement")
	_, err = m.Apply(t.Context(), plan)
	require.Error(t, err)
}

// rawFlowAdd is `flow add` as raw expressions have it.
func rawFlowAdd(name string) []byte {
	b := nlmsg.NewBuilder(nlmsg.Native(), nil)
	b.String(nlmsg.NFTAExprName, "flow_offload")
	data := b.Nest(nlmsg.NFTAExprData)
	b.String(nlmsg.NFTAFlowTableName, name)
	b.EndNest(data)
	return b.Bytes()
}
