package main

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
)

func TestConditions(t *testing.T) {
	bound := []offload.DeviceStatus{{Binding: flowtable.Binding{Device: "lan0", State: flowtable.Bound}}}
	refused := []offload.DeviceStatus{{Binding: flowtable.Binding{Device: "lan0", State: flowtable.Refused}}}
	for name, test := range map[string]struct {
		status     offload.Status
		programmed string
		reason     string
		accel      string
		accelWhy   string
	}{
		"steady":    {offload.Status{Phase: offload.PhaseSteady, Devices: bound}, "True", "Steady", "True", "AllBound"},
		"refused":   {offload.Status{Phase: offload.PhaseSteady, Devices: refused}, "True", "Steady", "False", "DevicesMissing"},
		"fail open": {offload.Status{Phase: offload.PhaseSteady, Devices: bound, Flowtables: []offload.FlowtableStatus{{Name: "f", Failed: "no"}}}, "True", "Steady", "False", "FlowtableFailed"},
		"no device": {offload.Status{Phase: offload.PhaseSteady}, "True", "Steady", "False", "NoDevices"},
		"off":       {offload.Status{Phase: offload.PhaseOff, Devices: bound}, "True", "SwitchedOff", "False", "SwitchedOff"},
		"drifted":   {offload.Status{Phase: offload.PhaseDrifted, Devices: bound, Drift: []string{"x"}}, "False", "Drifted", "True", "AllBound"},
		"retrying":  {offload.Status{Phase: offload.PhaseRetrying, Err: "no"}, "False", "Retrying", "Unknown", "Working"},
		"a reason":  {offload.Status{Phase: offload.PhaseRetrying, Err: "no", Reason: offload.ReasonForeignTable}, "False", "ForeignTable", "Unknown", "Working"},
		"no kernel": {offload.Status{Phase: offload.PhaseSteady, Devices: bound, Flowtables: []offload.FlowtableStatus{{Name: "f", Failed: "no", Reason: offload.ReasonNoFlowtables}}},
			"True", "Steady", "False", "NoFlowtables"},
		"frozen":     {offload.Status{Phase: offload.PhaseFrozen, Devices: bound}, "False", "Frozen", "True", "AllBound"},
		"to be done": {offload.Status{Phase: offload.PhaseObserving, Devices: bound, Pending: []string{"x"}}, "False", "Observing", "True", "AllBound"},
		"observing":  {offload.Status{Phase: offload.PhaseObserving, Devices: bound}, "True", "Observing", "True", "AllBound"},
		"starting":   {offload.Status{Phase: offload.PhaseStarting}, "Unknown", "Working", "Unknown", "Working"},
	} {
		t.Run(name, func(t *testing.T) {
			o := Observed{Conditions: conditionsOf(&test.status)}
			assert.True(t, has(accepted, "True", "Valid")(o))
			assert.True(t, has(programmed, test.programmed, test.reason)(o), "%+v", conditionOf(o, programmed))
			assert.True(t, has(accelerated, test.accel, test.accelWhy)(o), "%+v", conditionOf(o, accelerated))
		})
	}
}

// A condition bears the time at which its status changed last, whatever its message says.
func TestMergeConditions(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	first := merge(nil, []Condition{{Type: "A", Status: "True"}, {Type: "B", Status: "True"}}, 1, at)
	second := merge(first, []Condition{{Type: "A", Status: "True", Message: "still"}, {Type: "B", Status: "False"}}, 2, at.Add(time.Hour))
	assert.Equal(t, at, second[0].LastTransitionTime)
	assert.Equal(t, at.Add(time.Hour), second[1].LastTransitionTime)
	assert.EqualValues(t, 2, second[0].ObservedGeneration)
}

// A name waits once, in turn; one that fails waits longer and longer, and starts anew after a time of peace.
func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		for _, name := range []string{"a", "b", "a"} {
			q.add(name)
		}
		for _, want := range []string{"a", "b"} {
			got, ok := q.next(t.Context())
			require.True(t, ok)
			assert.Equal(t, want, got)
		}
		last := time.Duration(0)
		for range 12 {
			wait := q.done("a", errors.New("no"))
			assert.Greater(t, wait, last/2)
			assert.LessOrEqual(t, wait, lastWait+lastWait/4)
			before := time.Now()
			got, ok := q.next(t.Context())
			require.True(t, ok)
			assert.Equal(t, "a", got)
			assert.Equal(t, wait, time.Since(before))
			q.done("a", nil) // it started, and fails again at once
			last = wait
		}
		assert.GreaterOrEqual(t, last, lastWait)
		time.Sleep(3 * lastWait) // of the bubble's clock
		assert.Less(t, q.done("a", errors.New("no")), time.Second)
	})
}
