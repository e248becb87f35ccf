package offload_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// inNamespace opens a Manager in a fresh namespace with these devices, accounting off.
func inNamespace(t *testing.T, cfg *offload.Config, devices ...string) (*offload.Manager, *testns.Namespace) {
	t.Helper()
	testns.RequireNamespaces(t)
	testns.CheckLeaks(t)
	ns := testns.NewT(t, "offload")
	for _, d := range devices {
		require.NoError(t, ns.IP(t.Context(), "link add "+d+" type veth peer name "+d+"p"))
	}
	c := offload.Config{}
	if cfg != nil {
		c = *cfg
	}
	c.NetNS = ns.Path()
	m, err := offload.Open(t.Context(), &c)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, m.Close()) })
	return m, ns
}

// A state is all that a dry run must not change.
type state struct {
	ruleset, accounting string
	generation          uint32
	binds               int
}

func stateOf(t *testing.T, m *offload.Manager, ns *testns.Namespace) state {
	t.Helper()
	var s state
	var err error
	s.ruleset, err = ns.Ruleset(t.Context())
	require.NoError(t, err)
	s.accounting, err = ns.Sysctl(acct)
	require.NoError(t, err)
	plan, err := m.Plan(t.Context(), &ruleset.Spec{Owner: "nobody"})
	require.NoError(t, err)
	s.generation = plan.Generation()
	if _, err := os.Stat(simulator); err == nil {
		s.binds = readSimulator(t, "n_bind")
	}
	return s
}

// Tables, generation, settings and drivers are the same before and after a dry run: of a new table, of one that exists, of one
// that the kernel refuses.
func TestDryRunLeavesNothing(t *testing.T) {
	for _, hardware := range []flowtable.Hardware{flowtable.HardwareOff, flowtable.HardwareOn} {
		t.Run("hardware "+string(hardware), func(t *testing.T) {
			if hardware == flowtable.HardwareOn {
				needSimulator(t)
			}
			m, ns := inNamespace(t, nil, "eth0", "eth1")
			require.NoError(t, ns.SetSysctl(acct, "0"))
			var flowtables []string
			if ok, _ := testns.HaveFlowtables(t.Context()); ok {
				flowtables = []string{"eth0"}
			}
			spec := elephants(hardware, flowtables...)
			if flowtables == nil { // this kernel has none
				spec.Tables[0].Flowtables = nil
				spec.Tables[0].Chains[0].Rules[0] = ruleset.R(ruleset.CTPackets.AtLeast(20), ruleset.Counter())
			}
			dry := func(spec *ruleset.Spec) (*offload.Checked, error) {
				before := stateOf(t, m, ns)
				plan, err := m.Plan(t.Context(), spec)
				require.NoError(t, err)
				require.False(t, plan.Empty())
				checked, err := m.DryRun(t.Context(), plan)
				assert.Equal(t, before, stateOf(t, m, ns))
				return checked, err
			}
			checked, err := dry(spec)
			require.NoError(t, err)
			assert.Equal(t, []offload.Setting{{Key: acct, Value: "0"}}, checked.Restored, "the kernel really turns it on")
			assert.Len(t, checked.Unchecked, map[flowtable.Hardware]int{flowtable.HardwareOn: 1}[hardware])

			plan, err := m.Plan(t.Context(), spec)
			require.NoError(t, err)
			_, err = m.Apply(t.Context(), plan)
			require.NoError(t, err)
			require.NoError(t, ns.SetSysctl(acct, "0"))
			more := elephants(hardware, append(flowtables, "eth1")...)
			more.Tables[0].Chains[0].Rules[0] = ruleset.R(ruleset.CTPackets.AtLeast(30), ruleset.Counter())
			if flowtables == nil {
				more.Tables[0].Flowtables = nil
			}
			checked, err = dry(more)
			require.NoError(t, err)
			assert.Equal(t, []offload.Setting{{Key: acct, Value: "0"}}, checked.Restored)

			bad := elephants(hardware, flowtables...)
			if flowtables == nil {
				bad.Tables[0].Flowtables = nil
			}
			bad.Tables[0].Chains[0].Rules = []ruleset.Rule{ruleset.R(ruleset.CTPackets.AtLeast(40)), {Do: []ruleset.Statement{
				{Raw: &ruleset.Raw{Text: "no such thing", Expr: [][]byte{{8, 0, 1, 0, 'n', 'o', 'p', 0}}}}}}}
			_, err = dry(bad)
			var refused *offload.ApplyError
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, ruleset.KindRule, refused.Operation.Kind)
		})
	}
}

// A misplaced flow add in a new table is refused by our own validation; among raw expressions 6.1 sees it, later kernels do not,
// and then the dry run says that they do not.
func TestDryRunOfRawPlacement(t *testing.T) {
	testns.RequireFlowtables(t)
	m, ns := inNamespace(t, nil)
	spec := elephants(flowtable.HardwareOff)
	raw := ruleset.Statement{Raw: &ruleset.Raw{Text: "flow add @fast", Expr: [][]byte{rawFlowAdd("fast")}}}
	spec.Tables[0].Chains = []ruleset.Chain{{Name: "input", Hook: ruleset.Input, Rules: []ruleset.Rule{ruleset.R(raw)}}}
	plan, err := m.Plan(t.Context(), spec)
	require.NoError(t, err)
	before := stateOf(t, m, ns)
	checked, err := m.DryRun(t.Context(), plan)
	if err == nil {
		require.Len(t, checked.Unchecked, 1)
		assert.Contains(t, checked.Unchecked[0].Why, "placement")
	}
	assert.Equal(t, before, stateOf(t, m, ns))
	_, err = m.Apply(t.Context(), plan)
	require.Error(t, err)
	assert.Equal(t, before.ruleset, stateOf(t, m, ns).ruleset)
}
