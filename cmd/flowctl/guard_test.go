package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

// On a kernel that panics over PPPoE, what is left out is said with the reason, once for all devices of a flowtable, where kernel and ruleset are
// looked at.
func TestWarnsOfWhatIsLeftOut(t *testing.T) {
	target := offloadtest.Linux72("lan0", "wan0")
	target.Kernel = flowtable.KernelOf("7.0.13")
	kernel := offloadtest.New(t, target)
	kernel.AddLink(flowtable.Link{Name: "ppp0", Kind: "ppp", Up: true, PPPoE: flowtable.PPPoE{Device: "wan0", Session: 1}})
	manager, err := offload.Open(t.Context(), &offload.Config{Kernel: kernel})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, manager.Close()) })
	planned, err := manager.Plan(t.Context(), &ruleset.Spec{Tables: []ruleset.Table{{Name: "fw",
		Flowtables: []flowtable.Spec{{Name: "fast", Devices: []flowtable.Selector{{Name: "lan0"}, {Name: "ppp0"}}}}}}})
	require.NoError(t, err)

	why := "no device of the flowtable can be listed safely on Linux 7.0.13 (panics-below-pppoe-qinq, since 6.19, before 7.1): ppp0 -> wan0: PPPoE session 1; " +
		"run another kernel, or say noGuard if this one is repaired\n"
	var out strings.Builder
	printLeftOut(&out, "warning: ", planned)
	assert.Equal(t, "warning: flowtable \"fast\" goes without lan0, wan0: "+why, out.String())
	out.Reset()
	printPlan(&out, planned)
	assert.Contains(t, out.String(), "# warning: flowtable \"fast\" goes without lan0, wan0: "+why)

	out.Reset()
	require.NoError(t, probeKernel(t.Context(), &streams{out: &out}, manager))
	assert.Contains(t, out.String(), "\nwarning: "+strings.Replace(why, "of the flowtable", "of any flowtable", 1))
}
