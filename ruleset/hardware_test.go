package ruleset_test

import (
	"bytes"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

// autoSpec is a router whose drivers decide, with all that a policy can take along.
func autoSpec() *ruleset.Spec {
	return &ruleset.Spec{Tables: []ruleset.Table{{
		Name:       "fw",
		Flowtables: []flowtable.Spec{{Name: "fast", Hardware: flowtable.HardwareAuto, Devices: []flowtable.Selector{{Name: "br0"}, {Name: "wan.7"}, {Name: "dmz"}}}},
		Sets: []ruleset.Set{
			{Name: "slow", Type: ruleset.IPv4Addr, Interval: true, Elements: []string{"192.0.2.0/24"}},
			{Name: "other", Type: ruleset.IPv4Addr},
		},
		Offload: []ruleset.Policy{{Flowtable: "fast", Announce: "0x100", Except: ruleset.Exclusions{Sets: []string{"slow"}}}},
		Chains:  []ruleset.Chain{{Name: "own", Hook: ruleset.Forward, Rules: []ruleset.Rule{ruleset.R(ruleset.TCPDport.Is(443), ruleset.FlowAdd("fast"))}}},
	}}}
}

// autoTarget is a bridge of two ports, a VLAN uplink and a third device; the drivers of the given devices accept.
func autoTarget(release string, accepting ...string) *flowtable.Target {
	t := &flowtable.Target{Kernel: flowtable.KernelOf(release), Links: []flowtable.Link{
		{Index: 1, Name: "lo"}, {Index: 2, Name: "lan1", Master: 7}, {Index: 3, Name: "lan2", Master: 7}, {Index: 4, Name: "wan"},
		{Index: 5, Name: "wan.7", Kind: "vlan", Parent: 4, VLAN: flowtable.VLAN{ID: 7}}, {Index: 6, Name: "dmz"}, {Index: 7, Name: "br0", Kind: "bridge"},
	}}
	for _, d := range []string{"dmz", "lan1", "lan2", "wan"} {
		result := flowtable.DriverRefuses
		if slices.Contains(accepting, d) {
			result = flowtable.Accepted
		}
		t.Hardware = append(t.Hardware, flowtable.Answer{Device: d, Result: result})
	}
	return t
}

func resolveAuto(t *testing.T, s *ruleset.Spec, release string, accepting ...string) *ruleset.Resolved {
	t.Helper()
	r, err := s.Resolve(autoTarget(release, accepting...))
	require.NoError(t, err)
	return r
}

func nftOf(t *testing.T, r *ruleset.Resolved) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, r.WriteNFT(&b))
	return b.String()
}

func TestAutoIsOneFlowtableIfDriversAgree(t *testing.T) {
	all := resolveAuto(t, autoSpec(), "7.2", "dmz", "lan1", "lan2", "wan")
	assert.Contains(t, nftOf(t, all), "flags offload")
	assert.NotContains(t, nftOf(t, all), "fw_hw")
	none := resolveAuto(t, autoSpec(), "7.2")
	assert.NotContains(t, nftOf(t, none), "flags offload")
	assert.NotContains(t, nftOf(t, none), "fw_hw")
	unknown, err := autoSpec().Resolve(nil)
	require.NoError(t, err)
	assert.NotContains(t, nftOf(t, unknown), "flags offload")
	for _, b := range all.Bindings() {
		assert.True(t, b.Hardware)
	}
	for _, b := range none.Bindings() {
		assert.False(t, b.Hardware)
		assert.Contains(t, b.Why, "in software: driver refuses")
	}
}

func TestAutoDivides(t *testing.T) {
	r := resolveAuto(t, autoSpec(), "6.12", "lan1", "lan2", "wan")
	text := nftOf(t, r)
	at := strings.Index(text, "table inet fw_hw {")
	require.Positive(t, at)
	assert.NotContains(t, text[:at], "flags offload")
	assert.Contains(t, text[:at], `devices = { "dmz", "lan1", "lan2", "wan" };`)
	assert.Equal(t, `table inet fw_hw {
	comment "managed by fastpath"

	flowtable fast {
		hook ingress priority filter;
		devices = { "lan1", "lan2", "wan" };
		flags offload;
		counter;
	}

	set slow {
		type ipv4_addr
		flags interval
		elements = { 192.0.2.0/24 }
	}

	chain offload-fast {
		type filter hook forward priority filter + 9; policy accept;
		iifname != { "br0", "wan", "wan.7" } return comment "software: in by another device"
		oifname != { "br0", "wan", "wan.7" } return comment "software: out by another device"
		ip saddr @slow return comment "except set slow: IPv4 source"
		ip daddr @slow return comment "except set slow: IPv4 destination"
		ct state established meta l4proto { tcp, udp } flow add @fast ct mark set ct mark | 0x100 comment "offload to fast"
	}
}
`, text[at:])
	hard := map[string]bool{}
	for _, b := range r.Bindings() {
		hard[b.Device] = b.Hardware
		if b.Hardware {
			assert.Contains(t, b.Why, "; its driver accepts, in table fw_hw; flows to and from")
		}
	}
	assert.Equal(t, map[string]bool{"dmz": false, "lan1": true, "lan2": true, "wan": true}, hard)
	assert.Equal(t, flowtable.HardwareAuto, r.Spec().Tables[0].Flowtables[0].Hardware, "what was declared")
	assert.Len(t, r.Spec().Tables, 1)
}

// A bridge counts if all of its ports do.
func TestAutoNarrowsToWhatTheForwardHookSees(t *testing.T) {
	text := nftOf(t, resolveAuto(t, autoSpec(), "6.12", "lan1", "dmz", "wan"))
	assert.Contains(t, text, `iifname != { "dmz", "wan", "wan.7" } return`)
	assert.Contains(t, text, `devices = { "dmz", "lan1", "wan" };`)
}

func TestAutoStaysInSoftware(t *testing.T) {
	raw := ruleset.Statement{Raw: &ruleset.Raw{Text: "ip saddr @x", Expr: [][]byte{{1}}}}
	for _, c := range []struct {
		want  string
		alter func(*ruleset.Table)
	}{
		{"set slow is live", func(t *ruleset.Table) { t.Sets[0].Live = true }},
		{"its limit would be counted twice", func(t *ruleset.Table) { t.Offload[0].Only.Also = []ruleset.Statement{ruleset.Limit(9, "second")} }},
		{`the raw statement "ip saddr @x" refers`, func(t *ruleset.Table) { t.Offload[0].Only.Also = []ruleset.Statement{raw} }},
		{"there is no earlier priority", func(t *ruleset.Table) { t.Offload[0].Priority = "-2147483648" }},
		{"no policy with a base chain of its own", func(t *ruleset.Table) { t.Offload = nil }},
		{"no policy with a base chain of its own", func(t *ruleset.Table) { t.Offload[0].Inline = true }},
		{"no device comes in by those alone", func(t *ruleset.Table) { t.Flowtables[0].Devices = []flowtable.Selector{{Name: "br0"}, {Name: "dmz"}} }},
	} {
		s := autoSpec()
		s.Tables[0].Flowtables[0].Devices = []flowtable.Selector{{Name: "lan1"}, {Name: "wan"}, {Name: "dmz"}}
		c.alter(&s.Tables[0])
		accepting := []string{"wan"}
		if strings.HasPrefix(c.want, "no device") {
			accepting = []string{"lan1"} // a port, which the forward hook does not see
		}
		r := resolveAuto(t, s, "7.2", accepting...)
		assert.NotContains(t, nftOf(t, r), "flags offload", c.want)
		assert.NotContains(t, nftOf(t, r), "fw_hw", c.want)
		told := false
		for _, b := range r.Bindings() {
			assert.False(t, b.Hardware, c.want)
			told = told || strings.Contains(b.Why, "; its driver accepts, but the flowtable stays in software") && strings.Contains(b.Why, c.want)
		}
		assert.True(t, told, "%s: %+v", c.want, r.Bindings())
	}
}

func TestAutoKeepsTheCompanionsNameFree(t *testing.T) {
	s := autoSpec()
	s.Tables = append(s.Tables, ruleset.Table{Name: "fw_hw"})
	assert.ErrorContains(t, s.Validate(), `tables[0].flowtables[0].hardware: "auto" may need a table "fw_hw" for what drivers accept, and tables[1] has that name; rename it`)
	s.Tables[1].Family = ruleset.IP
	assert.NoError(t, s.Validate())
	s.Tables[0].Name = strings.Repeat("x", 253)
	assert.ErrorContains(t, s.Validate(), "shorten the table's name")
}

func TestAutoInJSON(t *testing.T) {
	r := resolveAuto(t, autoSpec(), "7.2", "lan1", "lan2", "wan")
	assert.ErrorIs(t, r.WriteNFTJSON(&bytes.Buffer{}, nil), ruleset.ErrNotInJSON)
	var b bytes.Buffer
	require.NoError(t, r.WriteNFTJSON(&b, &ruleset.JSONConfig{DropFlowtableFlags: true}))
	assert.Contains(t, b.String(), `"fw_hw"`)
}

// Kernels take every step from one division to another, and nothing is left to do after it. The random ones change the policies too.
func TestAutoOnImitatedKernels(t *testing.T) {
	steps := [][]string{nil, {"lan1", "lan2", "wan"}, {"wan", "dmz"}, {"dmz", "lan1", "lan2", "wan"}, {"wan"}, nil}
	for _, release := range []string{"6.1.0", "6.12.117", "7.2.13"} {
		k := offloadtest.New(t, autoTarget(release))
		for _, accepting := range steps {
			applyTo(t, k, resolveAuto(t, autoSpec(), release, accepting...))
		}
		assert.NotContains(t, k.Ruleset(), "fw_hw", release)
		random, divided := rand.New(rand.NewSource(1)), 0
		for range 150 {
			s, accepting := autoSpec(), []string(nil)
			for _, d := range []string{"dmz", "lan1", "lan2", "wan"} {
				if random.Intn(2) == 0 {
					accepting = append(accepting, d)
				}
			}
			table := &s.Tables[0]
			table.Sets[0].Live, table.Offload[0].Inline, table.Offload[0].Counter = random.Intn(5) == 0, random.Intn(8) == 0, random.Intn(2) == 0
			table.Flowtables[0].NoCounter = random.Intn(3) == 0
			if random.Intn(3) == 0 {
				table.Flowtables = append(table.Flowtables, flowtable.Spec{Name: "second", Priority: "5", Hardware: flowtable.HardwareAuto,
					Devices: []flowtable.Selector{{Name: "wan"}, {PortsOf: "br0"}, {Name: "lo"}}})
				table.Offload = append(table.Offload, ruleset.Policy{Flowtable: "second", Only: ruleset.Selection{Between: []ruleset.DevicePair{{From: []string{"br0"}}}}})
			}
			applyTo(t, k, resolveAuto(t, s, release, accepting...))
			if strings.Contains(k.Ruleset(), "fw_hw") {
				divided++
			}
		}
		assert.Greater(t, divided, 30)
	}
}

// applyTo plans and applies, demands that nothing is left to do, and gives the plan.
func applyTo(t *testing.T, k *offloadtest.Kernel, want *ruleset.Resolved) string {
	t.Helper()
	have, _ := read(t, k)
	plan, err := ruleset.Diff(have, want)
	require.NoError(t, err)
	if plan.Empty() {
		return ""
	}
	batch, err := plan.Batch(nil)
	require.NoError(t, err)
	_, err = k.Commit(t.Context(), batch)
	require.NoError(t, err, "%s", plan)
	have, _ = read(t, k)
	again, err := ruleset.Diff(have, want)
	require.NoError(t, err)
	require.True(t, again.Empty(), "%s", again)
	return plan.String()
}

// A driver that changes its mind costs a device and two rules; the declared flowtable keeps its flows.
func TestAutoMovesOneDevice(t *testing.T) {
	k := offloadtest.New(t, autoTarget("6.12"))
	applyTo(t, k, resolveAuto(t, autoSpec(), "6.12", "lan1", "lan2", "wan"))
	plan := applyTo(t, k, resolveAuto(t, autoSpec(), "6.12", "lan1", "wan"))
	lines := strings.Split(strings.TrimSpace(plan), "\n")
	require.Len(t, lines, 3, plan)
	assert.Contains(t, lines[0], `delete flowtable inet fw_hw fast`)
	assert.Contains(t, lines[0], `"lan2"`)
	for _, line := range lines[1:] {
		assert.Contains(t, line, "replace rule inet fw_hw offload-fast")
	}
}
