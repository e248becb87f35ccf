package offload_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

// asked is a Kernel that notes which drivers were asked.
type asked struct {
	*offloadtest.Kernel
	devices []string
	forced  bool
}

func (a *asked) Probe(ctx context.Context, devices []string, force bool) ([]flowtable.Answer, error) {
	a.devices, a.forced = append(a.devices, devices...), a.forced || force
	return a.Kernel.Probe(ctx, devices, force)
}

// machine has devices with hw-tc-offload on: hw0, hw1, hw2; off: off0; fixed off: sw0, sw1.
func machine(release func(...string) *flowtable.Target) *flowtable.Target {
	t := release()
	for i, name := range []string{"hw0", "hw1", "hw2", "off0", "sw0", "sw1"} {
		feature := map[byte]string{'h': "on", 'o': "off", 's': "off [fixed]"}[name[0]]
		t.Links = append(t.Links, flowtable.Link{Index: i + 1, Name: name, Up: true, TCOffload: feature})
	}
	return t
}

// onMachine opens a Manager on a machine of Linux 6.12 that notes which drivers are asked.
func onMachine(t *testing.T, run offload.RunConfig) (*offload.Manager, *asked) {
	t.Helper()
	return onMachineOf(t, offloadtest.Linux612, run)
}

func onMachineOf(t *testing.T, release func(...string) *flowtable.Target, run offload.RunConfig) (*offload.Manager, *asked) {
	t.Helper()
	k := &asked{Kernel: offloadtest.New(t, machine(release))}
	m, err := offload.Open(t.Context(), &offload.Config{Kernel: k, Run: run})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m, k
}

// auto offloads what is established to a flowtable of these devices, by a policy.
func auto(hardware flowtable.Hardware, devices ...string) *ruleset.Spec {
	f := flowtable.Spec{Name: "fast", Hardware: hardware}
	for _, d := range devices {
		f.Devices = append(f.Devices, flowtable.Selector{Name: d})
	}
	return &ruleset.Spec{Tables: []ruleset.Table{{
		Name: "fw", Flowtables: []flowtable.Spec{f}, Offload: []ruleset.Policy{{Flowtable: "fast"}},
	}}}
}

// flowtablesOf are the flowtables that a kernel has, with their devices; those with the hardware flag begin with "hw:".
func flowtablesOf(t *testing.T, k offload.Kernel) map[string]string {
	t.Helper()
	have, err := ruleset.Load("", k.Dump(t.Context()))
	require.NoError(t, err)
	list := map[string]string{}
	for _, f := range have.Flowtables() {
		var names []string
		for _, d := range f.Devices {
			names = append(names, d.String())
		}
		slices.Sort(names)
		list[f.Table] = strings.Join(names, " ")
		if f.Hardware() {
			list[f.Table] = "hw: " + list[f.Table]
		}
	}
	return list
}

func TestAutoAsksOnce(t *testing.T) {
	m, k := onMachine(t, offload.RunConfig{})
	spec := auto(flowtable.HardwareAuto, "hw0", "hw1", "sw0", "off0", "gone0")
	applySpec(t, m, spec)
	assert.ElementsMatch(t, []string{"hw0", "hw1", "sw0", "off0"}, k.devices, "what an auto flowtable lists, and nothing else")
	assert.False(t, k.forced)
	assert.Equal(t, map[string]string{"fw": "hw0 hw1 off0 sw0", "fw_hw": "hw: hw0 hw1"}, flowtablesOf(t, k))

	k.devices = nil
	plan, err := m.Plan(t.Context(), spec)
	require.NoError(t, err)
	assert.True(t, plan.Empty(), "%v", plan)
	assert.Empty(t, k.devices, "drivers answer once")

	other, err := offload.Open(t.Context(), &offload.Config{Kernel: k})
	require.NoError(t, err)
	plan, err = other.Plan(t.Context(), spec)
	require.NoError(t, err)
	assert.True(t, plan.Empty(), "%v", plan)
	assert.ElementsMatch(t, []string{"sw0", "off0"}, k.devices, "a device in our hardware flowtable answers by that")
}

func TestAutoFollowsTheFeature(t *testing.T) {
	m, k := onMachine(t, offload.RunConfig{})
	spec := auto(flowtable.HardwareAuto, "hw0", "hw1", "hw2")
	applySpec(t, m, spec)
	assert.Equal(t, map[string]string{"fw": "hw: hw0 hw1 hw2"}, flowtablesOf(t, k), "all accept")

	k.devices = nil
	k.setFeature("hw2", "off")
	applySpec(t, m, spec)
	assert.Equal(t, map[string]string{"fw": "hw0 hw1 hw2", "fw_hw": "hw: hw0 hw1"}, flowtablesOf(t, k))
	assert.Equal(t, []string{"hw2"}, k.devices, "the others' answers hold")
	k.setFeature("hw2", "on")
	applySpec(t, m, spec)
	assert.Equal(t, map[string]string{"fw": "hw: hw0 hw1 hw2"}, flowtablesOf(t, k))

	k.devices = nil
	k.Refuse("hw1")
	k.DelLink("hw1")
	k.AddLink(flowtable.Link{Name: "hw1", Index: 77, Up: true, TCOffload: "on"})
	applySpec(t, m, spec)
	assert.Equal(t, []string{"hw1"}, k.devices, "another device of the same name is asked")
	assert.Equal(t, map[string]string{"fw": "hw0 hw1 hw2", "fw_hw": "hw: hw0 hw2"}, flowtablesOf(t, k))
}

// Since Linux 6.16 a flowtable lists names. A device that comes under one was bound, else the kernel would not have let it come; one
// that comes after its name left the flowtable is asked.
func TestAutoAsksWhoeverBearsTheName(t *testing.T) {
	m, k := onMachineOf(t, offloadtest.Linux72, offload.RunConfig{})
	spec := auto(flowtable.HardwareAuto, "hw0", "hw1", "hw2", "sw0")
	applySpec(t, m, spec)
	k.DelLink("hw2")
	k.AddLink(flowtable.Link{Name: "hw2", Index: 77, Up: true, TCOffload: "on"})
	plan, err := m.Plan(t.Context(), spec)
	require.NoError(t, err)
	assert.True(t, plan.Empty(), "%v", plan)
	k.DelLink("hw2")
	applySpec(t, m, spec)
	assert.Equal(t, map[string]string{"fw": "hw0 hw1 sw0", "fw_hw": "hw: hw0 hw1"}, flowtablesOf(t, k), "a driver is to be asked first")
	k.Refuse("hw2")
	k.AddLink(flowtable.Link{Name: "hw2", Index: 78, Up: true, TCOffload: "on"})
	applySpec(t, m, spec)
	assert.Equal(t, "hw: hw0 hw1", flowtablesOf(t, k)["fw_hw"])
	k.Accept("hw2")
	k.setFeature("hw1", "off")
	applySpec(t, m, spec)
	assert.Equal(t, "hw: hw0", flowtablesOf(t, k)["fw_hw"], "an answer holds as long as its device")
}

// A driver that accepted when it was asked and refuses when it counts: the answer is learnt, the device moves.
func TestAutoLearnsFromRefusals(t *testing.T) {
	m, k := onMachine(t, offload.RunConfig{})
	spec := auto(flowtable.HardwareAuto, "hw0", "hw1", "hw2")
	plan, err := m.Plan(t.Context(), spec)
	require.NoError(t, err)
	k.Refuse("hw1")
	_, err = m.Apply(t.Context(), plan)
	require.ErrorIs(t, err, offload.ErrHardwareRefused, "Apply does what was planned, or nothing")
	assert.ErrorContains(t, err, ": hw1 ", "the one that refuses is named")
	assert.Empty(t, flowtablesOf(t, k))
	applySpec(t, m, spec)
	assert.Equal(t, map[string]string{"fw": "hw0 hw1 hw2", "fw_hw": "hw: hw0 hw2"}, flowtablesOf(t, k))
	answers, err := m.Probe(t.Context(), false, "hw1", "hw0", "nobody", "off0", "sw0", "hw0")
	require.NoError(t, err)
	var results []flowtable.Result
	for _, a := range answers {
		results = append(results, a.Result)
		assert.NotEmpty(t, a.Evidence)
	}
	assert.Equal(t, []flowtable.Result{flowtable.DriverRefuses, flowtable.Accepted, flowtable.NoDevice, flowtable.FeatureOff,
		flowtable.FixedOff, flowtable.Accepted}, results)
}

// A driver that takes each device once is bound before it is unbound from where it was: the way leads through software.
func TestAutoStepsThroughSoftware(t *testing.T) {
	m, k := onMachine(t, offload.RunConfig{})
	applySpec(t, m, auto(flowtable.HardwareAuto, "hw0", "hw1"))
	k.FailCommit(hardwareBusy(t, m, auto(flowtable.HardwareAuto, "hw0", "hw1", "sw0")))
	done, err := m.Reconcile(t.Context(), auto(flowtable.HardwareAuto, "hw0", "hw1", "sw0"))
	require.NoError(t, err)
	assert.Equal(t, 2, done.Conflicts)
	assert.Equal(t, map[string]string{"fw": "hw0 hw1 sw0", "fw_hw": "hw: hw0 hw1"}, flowtablesOf(t, k))
}

// hardwareBusy is the answer of such a driver to what is planned for a Spec.
func hardwareBusy(t *testing.T, m *offload.Manager, spec *ruleset.Spec) error {
	t.Helper()
	plan, err := m.Plan(t.Context(), spec)
	require.NoError(t, err)
	batch, err := plan.Batch(nil)
	require.NoError(t, err)
	for i := range batch.Messages() {
		op, ok := batch.Operation(i)
		if f, _, is := op.Flowtable(); ok && is && f.Hardware == flowtable.HardwareOn {
			return &ruleset.CommitError{Refusals: []ruleset.Refusal{{Message: i, Errno: 16}}}
		}
	}
	require.Fail(t, "nothing asks a driver", "%v", plan)
	return nil
}

func TestHardwareOnNamesWhoRefuses(t *testing.T) {
	m, k := onMachine(t, offload.RunConfig{})
	k.Refuse("hw2")
	_, err := m.Reconcile(t.Context(), auto(flowtable.HardwareOn, "hw0", "hw1", "hw2"))
	require.ErrorIs(t, err, offload.ErrHardwareRefused)
	var refused *offload.ApplyError
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, "hw2", refused.Detail)
	assert.Empty(t, flowtablesOf(t, k), "nothing changed")
	applySpec(t, m, auto(flowtable.HardwareOff, "hw0", "hw1", "hw2"))
	assert.Equal(t, map[string]string{"fw": "hw0 hw1 hw2"}, flowtablesOf(t, k))
}

func TestAutoForced(t *testing.T) {
	m, k := onMachine(t, offload.RunConfig{ForceHardware: true})
	applySpec(t, m, auto(flowtable.HardwareAuto, "sw0", "sw1"))
	assert.True(t, k.forced)
	assert.Equal(t, map[string]string{"fw": "hw: sw0 sw1"}, flowtablesOf(t, k))
}

func TestNobodyIsAskedWhileOff(t *testing.T) {
	m, k := onMachine(t, offload.RunConfig{})
	require.NoError(t, m.Off(t.Context(), ""))
	spec := auto(flowtable.HardwareAuto, "hw0", "hw1")
	applySpec(t, m, spec)
	assert.Empty(t, k.devices)
	require.NoError(t, m.On(t.Context(), ""))
	applySpec(t, m, spec)
	assert.Equal(t, map[string]string{"fw": "hw: hw0 hw1"}, flowtablesOf(t, k))
}

func TestObserversAskNobody(t *testing.T) {
	m, k := onMachine(t, offload.RunConfig{Observe: true})
	plan, err := m.Plan(t.Context(), auto(flowtable.HardwareAuto, "hw0", "hw1"))
	require.NoError(t, err)
	assert.Empty(t, k.devices)
	for _, b := range plan.Bindings() {
		assert.False(t, b.Hardware, "%v", b)
	}
}
