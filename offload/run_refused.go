package offload

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/ruleset"
)

// Refused is what the kernel did not take of a Spec's flowtables, so that the rest can be in force (fail open).
type refused struct {
	devices  map[part]map[string]int // of flowtables, with the index of the device that was refused; 0 is none
	why      map[part]error
	all      error // why all flowtables are left out
	until    time.Time
	wait     backoff
	vanished int // how often a device went away while a plan was made
}

// A refused attempt of hardware is not repeated sooner: kernels up to 7.2 keep something of each one.
const hardwarePause = 30 * time.Second

// maxVanished is how often in a row a plan is made anew because a device went away meanwhile: a storm does that again and again.
const maxVanished = 20

func newRefused() refused {
	return refused{
		devices: map[part]map[string]int{}, why: map[part]error{},
		wait: backoff{shortest: time.Second, longest: 5 * time.Minute},
	}
}

func (f *refused) nothing() bool { return f.all == nil && len(f.devices) == 0 }

// expire gives what was refused another try, when it is time.
func (f *refused) expire(now time.Time) {
	if f.until.IsZero() || now.Before(f.until) {
		return
	}
	f.clear()
}

func (f *refused) clear() {
	clear(f.devices)
	clear(f.why)
	f.all, f.until = nil, time.Time{}
}

// succeeded is for a Spec that is in force as a whole.
func (f *refused) succeeded() {
	f.clear()
	f.vanished = 0
	f.wait.reset()
}

// forget gives devices another try that are gone, or not the ones which were refused.
func (f *refused) forget(target *flowtable.Target) {
	index := indexes(target)
	for p, devices := range f.devices {
		for name, was := range devices {
			if now := index[name]; was != 0 && now != was {
				delete(devices, name)
			}
		}
		if len(devices) == 0 {
			delete(f.devices, p)
			delete(f.why, p)
		}
	}
	if f.nothing() {
		f.until = time.Time{}
	}
}

// blame finds out what to leave out after an error of Apply; false if that would not help.
func (f *refused) blame(spec *ruleset.Spec, target *flowtable.Target, err error) bool {
	var e *ApplyError
	if !errors.As(err, &e) || errors.Is(err, ErrConflict) || f.all != nil {
		return false
	}
	op := e.Operation
	hardware := errors.Is(err, ErrHardwareRefused)
	switch {
	case errors.Is(err, ErrNoFlowtables):
		f.all = err
	case spec.Offloads(op):
		f.all = err
	case op.Kind != ruleset.KindFlowtable || op.Verb == ruleset.VerbDelete:
		return false
	case errors.Is(err, ErrNoDevice) && f.vanished < maxVanished:
		f.vanished++
		return true
	case !f.add(spec, target, &op, err):
		f.all = err
	}
	wait := f.wait.next()
	if hardware {
		wait = max(wait, hardwarePause)
	}
	f.until = time.Now().Add(wait)
	return true
}

// add leaves out the devices that an operation sends; false if there is none, or they are left out already.
func (f *refused) add(spec *ruleset.Spec, target *flowtable.Target, op *ruleset.Operation, err error) bool {
	p := part{op.Family, op.Table, op.Name}
	_, devices, _ := op.Flowtable()
	if declaredFlowtable(spec, p) == nil {
		return false
	}
	index := indexes(target)
	fresh := false
	for _, d := range devices {
		if _, ok := f.devices[p][d]; ok {
			continue
		}
		fresh = true
		if f.devices[p] == nil {
			f.devices[p] = map[string]int{}
		}
		f.devices[p][d] = index[d]
	}
	f.why[p] = err
	return fresh
}

// declaredFlowtable finds a flowtable of a Spec.
func declaredFlowtable(spec *ruleset.Spec, p part) *flowtable.Spec {
	for i := range spec.Tables {
		t := &spec.Tables[i]
		for j := range t.Flowtables {
			if partOf(t, &t.Flowtables[j]) == p {
				return &t.Flowtables[j]
			}
		}
	}
	return nil
}

// partOf names a declared flowtable.
func partOf(t *ruleset.Table, f *flowtable.Spec) part {
	family := t.Family
	if family == "" {
		family = ruleset.Inet
	}
	return part{family, t.Name, f.Name}
}

// without is the Spec without what was refused.
func (f *refused) without(spec *ruleset.Spec, target *flowtable.Target) *ruleset.Spec {
	if f.all != nil {
		return spec.WithoutFlowtables()
	}
	less := *spec
	less.Tables = append([]ruleset.Table(nil), spec.Tables...)
	for i := range less.Tables {
		t := &less.Tables[i]
		t.Flowtables = append([]flowtable.Spec(nil), t.Flowtables...)
		for j := range t.Flowtables {
			if devices := f.devices[partOf(t, &t.Flowtables[j])]; len(devices) > 0 {
				t.Flowtables[j] = withoutDevices(t.Flowtables[j], target, devices)
			}
		}
	}
	return &less
}

// withoutDevices is a flowtable that lists what it binds to on this machine, but not these devices.
func withoutDevices(f flowtable.Spec, target *flowtable.Target, devices map[string]int) flowtable.Spec {
	var kept []flowtable.Selector
	for _, b := range f.Bind(target) {
		if _, gone := devices[b.Device]; gone || !b.State.Listed() {
			continue
		}
		kept = append(kept, selectorOf(b.Device))
	}
	f.Devices, f.Layers = kept, flowtable.LayersLogical
	return f
}

// mark tells of devices that they are left out.
func (f *refused) mark(bindings []flowtable.Binding) {
	for i := range bindings {
		b := &bindings[i]
		if !b.State.Listed() {
			continue
		}
		if f.all != nil {
			b.State, b.Hardware, b.Why = flowtable.Refused, false, "no flowtable could be made"
			continue
		}
		for p, devices := range f.devices {
			if _, ok := devices[b.Device]; ok && p.name == b.Flowtable {
				b.State, b.Hardware, b.Why = flowtable.Refused, false, f.why[p].Error()
			}
		}
	}
}

// cause is why a flowtable is not as declared; nil if it is.
func (f *refused) cause(p part) error {
	if f.all != nil {
		return f.all
	}
	return f.why[p]
}

// failed says it in words. That a kernel has no flowtables at all is told once, by err, and named here.
func (f *refused) failed(p part) string {
	cause := f.cause(p)
	switch {
	case cause == nil:
		return ""
	case errors.Is(cause, ErrNoFlowtables):
		return ErrNoFlowtables.Error()
	}
	return cause.Error()
}

// of is why a device of a flowtable of this name is left out; nil if it is not.
func (f *refused) of(b *flowtable.Binding) error {
	if b.State != flowtable.Refused {
		return nil
	}
	if f.all != nil {
		return f.all
	}
	for p, devices := range f.devices {
		if _, ok := devices[b.Device]; ok && p.name == b.Flowtable {
			return f.why[p]
		}
	}
	return nil
}

// err is what was refused.
func (f *refused) err() error {
	if f.all != nil {
		return fmt.Errorf("flowtables are left out: %w", f.all)
	}
	if len(f.why) == 0 {
		return nil
	}
	all := slices.SortedFunc(maps.Values(f.why), func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return &leftOut{all}
}

// leftOut are the reasons why flowtables are without some of their devices.
type leftOut struct{ errs []error }

func (l *leftOut) Error() string {
	var texts []string
	for _, err := range l.errs {
		texts = append(texts, err.Error())
	}
	return "flowtables without some devices: " + strings.Join(texts, "; ")
}

// Unwrap gives them to errors.Is and errors.As.
func (l *leftOut) Unwrap() []error { return l.errs }
