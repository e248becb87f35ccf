//go:build linux

package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
)

// The conditions of an Object.
const (
	accepted    = "Accepted"    // the Spec is valid
	programmed  = "Programmed"  // the kernel holds what it declares
	accelerated = "Accelerated" // and every device that it wants is bound to its flowtable
)

// conditionsOf are what a Status says of an object.
func conditionsOf(s *offload.Status) []Condition {
	conditions := []Condition{{Type: accepted, Status: "True", Reason: "Valid", Message: "the spec is valid"}}
	if s == nil {
		return conditions
	}
	return append(conditions, programmedOf(s), acceleratedOf(s))
}

// programmedOf says whether the kernel holds the ruleset.
func programmedOf(s *offload.Status) Condition {
	c := Condition{Type: programmed, Status: "False"}
	switch s.Phase {
	case offload.PhaseSteady:
		c.Status, c.Reason, c.Message = "True", "Steady", fmt.Sprintf("generation %d is what is declared", s.Generation)
	case offload.PhaseOff:
		c.Status, c.Reason, c.Message = "True", "SwitchedOff", "the kill switch is on: everything but the flowtables is as declared"
	case offload.PhaseObserving:
		c.Reason, c.Message = "Observing", fmt.Sprintf("%d operations would be done", len(s.Pending))
		if len(s.Pending) == 0 {
			c.Status = "True"
		}
	case offload.PhaseDrifted:
		c.Reason, c.Message = "Drifted", fmt.Sprintf("others changed our tables, %d operations would undo it", len(s.Drift))
	case offload.PhaseRetrying:
		c.Reason, c.Message = cmp.Or(word(s.Reason), "Retrying"), s.Err
	case offload.PhaseFrozen:
		c.Reason, c.Message = "Frozen", "too many changes a minute; nothing is written until "+s.Retry.Format(time.RFC3339)
	default:
		c.Status, c.Reason, c.Message = "Unknown", "Working", "a change is being applied"
	}
	return c
}

// acceleratedOf says whether all devices are bound. What is missing takes nothing else down: the rest of the ruleset is in force.
func acceleratedOf(s *offload.Status) Condition {
	c := Condition{Type: accelerated, Status: "False"}
	var failed, unbound []string
	var why offload.Reason
	for _, f := range s.Flowtables {
		if f.Failed != "" {
			why = cmp.Or(why, f.Reason)
			failed = append(failed, f.Name+": "+f.Failed)
		}
	}
	for _, d := range s.Devices {
		if d.State != flowtable.Bound {
			unbound = append(unbound, fmt.Sprintf("%s: %s", flowtable.Spelled(d.Device), d.State))
		}
	}
	switch {
	case s.Phase == offload.PhaseOff:
		c.Reason, c.Message = "SwitchedOff", "the kill switch is on"
	case len(failed) > 0:
		c.Reason, c.Message = cmp.Or(word(why), "FlowtableFailed"), strings.Join(failed, "; ")
	case len(unbound) > 0:
		c.Reason, c.Message = "DevicesMissing", strings.Join(unbound, "; ")
	case s.Phase == offload.PhaseStarting || s.Phase == offload.PhaseRetrying:
		c.Status, c.Reason, c.Message = "Unknown", "Working", "nothing is known yet"
	case len(s.Devices) == 0:
		c.Reason, c.Message = "NoDevices", "no flowtable has a device"
	default:
		c.Status, c.Reason, c.Message = "True", "AllBound", fmt.Sprintf("%d devices are bound", len(s.Devices))
	}
	return c
}

// word is a reason as conditions spell it: no-flowtables is NoFlowtables.
func word(r offload.Reason) string {
	var b strings.Builder
	for part := range strings.SplitSeq(string(r), "-") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}

// merge dates conditions: one that says the same as before keeps its time.
func merge(before, now []Condition, generation int64, at time.Time) []Condition {
	for i := range now {
		now[i].ObservedGeneration, now[i].LastTransitionTime = generation, at
		old := slices.IndexFunc(before, func(c Condition) bool { return c.Type == now[i].Type })
		if old >= 0 && before[old].Status == now[i].Status {
			now[i].LastTransitionTime = before[old].LastTransitionTime
		}
	}
	return now
}
