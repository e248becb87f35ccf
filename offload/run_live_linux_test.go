package offload_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestRunPutsLiveElementsBackOnAKernel lets nft do to a live set what others do, on whatever kernel: no flowtable is needed for that.
func TestRunPutsLiveElementsBackOnAKernel(t *testing.T) {
	testns.CheckLeaks(t)
	ns := testns.NewT(t, "live")
	m, err := offload.Open(t.Context(), &offload.Config{NetNS: ns.Path()})
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close()) }()
	spec := &ruleset.Spec{Tables: []ruleset.Table{{
		Name: "lab",
		Sets: []ruleset.Set{
			{Name: "slow", Type: ruleset.IPv4Addr, Interval: true, Live: true, Elements: []string{"192.0.2.1"}},
			{Name: "ports", Type: ruleset.InetService, Live: true},
		},
		Chains: []ruleset.Chain{{Name: "forward", Hook: ruleset.Forward, Rules: []ruleset.Rule{ruleset.R(ruleset.IPSaddr.In("slow"), ruleset.Return())}}},
	}}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx, spec) }()
	defer func() {
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
	}()
	until(t, m, func(s *offload.Status) bool { return s.Phase == offload.PhaseSteady })

	slow, ports := offload.LiveSet{Table: "lab", Set: "slow"}, offload.LiveSet{Table: "lab", Set: "ports"}
	nft := func(commands string) {
		t.Helper()
		require.NoError(t, ns.NFT(t.Context(), commands))
	}
	told := func(wanted func(slow, ports offload.LiveSetStatus) bool) {
		t.Helper()
		until(t, m, func(s *offload.Status) bool {
			return s.Phase == offload.PhaseSteady && len(s.LiveSets) == 2 && wanted(s.LiveSets[0], s.LiveSets[1])
		})
	}
	add := func(set offload.LiveSet, elements ...string) {
		t.Helper()
		_, err := m.AddElements(t.Context(), set, elements...)
		require.NoError(t, err)
	}
	listed := func() string {
		t.Helper()
		text, err := ns.Ruleset(t.Context())
		require.NoError(t, err)
		start := strings.Index(text, "table inet lab")
		require.GreaterOrEqual(t, start, 0, "%s", text)
		return text[start:] // behind the lock of Run, which nobody else can write
	}
	add(slow, "192.0.2.77", "198.51.100.0/24")
	add(ports, "53", "5060")
	told(func(slow, ports offload.LiveSetStatus) bool { return slow.Remembered == 2 && ports.Remembered == 2 })
	full := listed()
	nft("add element inet lab slow { 10.0.0.1 }") // somebody else's, which nobody knows
	anew := 0
	for name, flush := range map[string]func(){
		"flush":  func() { nft("flush ruleset") },
		"delete": func() { nft("delete table inet lab") },
		"reload": func() { // of what was saved before anything was added
			old := strings.NewReplacer("192.0.2.77, ", "", ", 192.0.2.77", "", "192.0.2.77", "").Replace(full)
			nft("flush ruleset\n" + old)
		},
	} {
		anew++
		flush()
		told(func(slow, ports offload.LiveSetStatus) bool {
			return slow.Anew == anew && slow.PutBack == 2 && slow.Missing == 0 && ports.Anew == anew && ports.PutBack == 2
		})
		assert.Equal(t, full, listed(), name)
	}

	nft("delete element inet lab ports { 53 }")
	told(func(_, ports offload.LiveSetStatus) bool { return ports.Removed == 1 && ports.Remembered == 1 })
	nft("flush set inet lab slow") // the set stays: what others take out of it stays out
	told(func(slow, _ offload.LiveSetStatus) bool { return slow.Removed == 2 && slow.Remembered == 0 })
	nft("flush ruleset")
	told(func(slow, ports offload.LiveSetStatus) bool { return slow.Anew == anew+1 && ports.PutBack == 1 })
	assert.NotContains(t, listed(), "192.0.2.77")
	assert.Contains(t, listed(), "elements = { 5060 }")
}
