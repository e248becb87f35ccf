package main

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
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
		"failed":         func(s *offload.Status) { s.Flowtables = []offload.FlowtableStatus{{Failed: "no"}} },
	} {
		s := good
		spoil(&s)
		assert.False(t, asDeclared(&s), name)
	}
}
