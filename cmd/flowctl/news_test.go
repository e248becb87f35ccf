package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

func deviceStatus(device string, state flowtable.State, why string) offload.DeviceStatus {
	return offload.DeviceStatus{Binding: flowtable.Binding{Flowtable: "fast", Device: device, State: state, Why: why}}
}

// Each status is told by what is new in it.
func TestNews(t *testing.T) {
	starting := &offload.Status{Phase: offload.PhaseStarting}
	lan := deviceStatus("lan0", flowtable.Bound, "the device is there")
	steady := &offload.Status{
		Phase: offload.PhaseSteady, Generation: 7, Changes: 1,
		Devices:    []offload.DeviceStatus{lan, deviceStatus("wan0", flowtable.Missing, "it is not there")},
		Flowtables: []offload.FlowtableStatus{{Family: "inet", Table: "t", Name: "fast", Handle: 3}},
		Warnings:   []string{"one side only"},
	}
	bound := *steady
	bound.Generation, bound.Changes = 8, 2
	bound.Devices = []offload.DeviceStatus{lan, deviceStatus("wan0", flowtable.Bound, "the device is there")}
	failed := bound
	failed.Phase, failed.Err, failed.Retry = offload.PhaseRetrying, "no memory", time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)
	failed.Flowtables = []offload.FlowtableStatus{{Family: "inet", Table: "t", Name: "fast", Handle: 3, Failed: "the driver refuses"}}
	stale := bound
	stale.Stale = []offload.StaleFlow{{Why: "the route moved"}}
	drifted := bound
	drifted.Phase, drifted.Drift, drifted.Devices = offload.PhaseDrifted, []string{"delete rule inet t c handle 9"}, bound.Devices[:1]

	for name, test := range map[string]struct {
		before, now *offload.Status
		want        []string
	}{
		"the first": {starting, steady, []string{
			"flowtable fast, device lan0: bound, the device is there",
			"flowtable fast, device wan0: missing, it is not there",
			"flowtable fast (inet t): handle 3",
			"warning: one side only",
			"steady, generation 7, 1 commit",
		}},
		"nothing new":     {steady, steady, nil},
		"a device":        {steady, &bound, []string{"flowtable fast, device wan0: bound, the device is there", "steady, generation 8, 2 commits"}},
		"a failure":       {&bound, &failed, []string{"flowtable fast (inet t): handle 3, without its devices: the driver refuses", "error: no memory", "retrying, generation 8, 2 commits, again at 03:04:05"}},
		"a stale flow":    {&bound, &stale, []string{"stale flow " + stale.Stale[0].Entry.Key().String() + ": the route moved", "steady, generation 8, 2 commits"}},
		"stale as before": {&stale, &stale, nil},
		"drift, one less": {&bound, &drifted, []string{"flowtable fast, device wan0: not wanted any more", "changed by others: delete rule inet t c handle 9", "drifted, generation 8, 2 commits"}},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, test.want, news(test.before, test.now)) })
	}
}

// tellChanges remembers what it told, and stops at an output that fails.
func TestTellChanges(t *testing.T) {
	var out bytes.Buffer
	tell := tellChanges(&out)
	s := &offload.Status{Phase: offload.PhaseSteady, Generation: 7}
	require.NoError(t, tell(s))
	require.NoError(t, tell(s))
	assert.Equal(t, "steady, generation 7, 0 commits\n", out.String())
	full := errors.New("no space left")
	assert.ErrorIs(t, tellChanges(failing{full})(s), full)
}

func TestAsDeclared(t *testing.T) {
	good := offload.Status{Phase: offload.PhaseObserving, Devices: []offload.DeviceStatus{deviceStatus("lan0", flowtable.Pending, "")}}
	assert.True(t, asDeclared(&good))
	assert.False(t, asDeclared(nil))
	for name, spoil := range map[string]func(*offload.Status){
		"off":            func(s *offload.Status) { s.Phase = offload.PhaseOff },
		"pending":        func(s *offload.Status) { s.Pending = []string{"add table inet t"} },
		"drift":          func(s *offload.Status) { s.Drift = []string{"add table inet t"} },
		"error":          func(s *offload.Status) { s.Err = "no" },
		"device missing": func(s *offload.Status) { s.Devices = append(s.Devices, deviceStatus("wan0", flowtable.Missing, "")) },
		"device without a hook": func(s *offload.Status) {
			d := deviceStatus("wan0", flowtable.Bound, "")
			d.Hook = offload.HookMissing
			s.Devices = append(s.Devices, d)
		},
		"failed": func(s *offload.Status) { s.Flowtables = []offload.FlowtableStatus{{Failed: "no"}} },
	} {
		s := good
		spoil(&s)
		assert.False(t, asDeclared(&s), name)
	}
}

// As JSON a status is told if more is new than the generation.
func TestTellJSON(t *testing.T) {
	var out bytes.Buffer
	tell := tellJSON(&out)
	for generation := range uint32(5) {
		require.NoError(t, tell(&offload.Status{Phase: offload.PhaseSteady, Generation: generation, Warnings: []string{"one side only"}}))
	}
	require.NoError(t, tell(&offload.Status{Phase: offload.PhaseSteady, Generation: 5}))
	require.NoError(t, tell(&offload.Status{Phase: offload.PhaseOff, Generation: 6}))
	assert.Equal(t, 3, strings.Count(out.String(), "\n"), "%s", out.String())
}

// A watched status is printed again when more is new than the generation, or something got in the way.
func TestWatchedStatus(t *testing.T) {
	kernel := offloadtest.New(t, offloadtest.Linux72("lan0", "wan0"))
	manager, err := offload.Open(t.Context(), &offload.Config{Kernel: kernel, Run: offload.RunConfig{Observe: true}})
	require.NoError(t, err)
	defer manager.Close()
	out := &lockedBuffer{}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := observer{std: &streams{out: out}, manager: manager, json: true, watch: true}.observe(ctx, &ruleset.Spec{})
		ended <- err
	}()
	printed := func() int { return strings.Count(out.String(), "\n") }
	seen := func(generation uint32) {
		t.Helper()
		for s := range manager.Statuses(ctx) {
			if s.Generation == generation {
				return
			}
		}
	}
	require.Eventually(t, func() bool { return printed() == 1 }, 20*time.Second, time.Millisecond)
	now, err := ruleset.Load("", kernel.Dump(t.Context()))
	require.NoError(t, err)
	for n := range uint32(5) {
		kernel.ForeignCommit()
		seen(now.Generation() + n + 1)
	}
	stop()
	require.NoError(t, <-ended)
	assert.Equal(t, 1, printed(), "%s", out.String())
}
