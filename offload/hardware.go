package offload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/ruleset"
)

// hardware adds to a Target what is known of the drivers of those devices that flowtables with HardwareAuto may list. It asks
// drivers that were not asked yet, and none while Run only observes or the fast path is off. What was not asked is NotTried.
func (m *Manager) hardware(ctx context.Context, spec *ruleset.Spec, target *flowtable.Target) error {
	links := unanswered(autoLinks(spec, target), target.Hardware)
	if len(links) == 0 {
		return nil
	}
	have, err := m.load(ctx, cmp.Or(spec.Owner, ruleset.DefaultOwner))
	if err != nil {
		return err
	}
	if _, off := have.Off(have.Owner()); off { // what is switched off needs no answer
		return nil
	}
	ours := offeredBy(have, func(t ruleset.LoadedTable) bool { return t.Owner == have.Owner() })
	var ask []*flowtable.Link
	for _, l := range links {
		if answer, ok := m.drivers.recall(l, ours); ok {
			target.Hardware = append(target.Hardware, answer)
		} else {
			ask = append(ask, l)
		}
	}
	if _, off := have.Off(have.Owner()); off {
		target.Hardware = append(target.Hardware, notTried(namesOf(ask), "the fast path is switched off: drivers are not asked")...)
	} else {
		target.Hardware = append(target.Hardware, m.askDrivers(ctx, ask, m.running.ForceHardware, ours)...)
	}
	slices.SortFunc(target.Hardware, func(a, b flowtable.Answer) int { return cmp.Compare(a.Device, b.Device) })
	return nil
}

// autoLinks are the devices that flowtables with HardwareAuto would list if their drivers accept, each once.
func autoLinks(spec *ruleset.Spec, target *flowtable.Target) []*flowtable.Link {
	wanted := map[string]bool{}
	var prefixes []string
	for i := range spec.Tables {
		for _, f := range spec.Tables[i].Flowtables {
			if f.Hardware != flowtable.HardwareAuto {
				continue
			}
			f.Hardware = flowtable.HardwareOff
			for _, b := range f.Bind(target) {
				if prefix, ok := strings.CutSuffix(b.Device, "*"); ok && b.State.Listed() {
					prefixes = append(prefixes, prefix)
				}
				wanted[b.Device] = wanted[b.Device] || b.State.Listed()
			}
		}
	}
	var links []*flowtable.Link
	for i := range target.Links {
		l := &target.Links[i]
		if wanted[l.Name] || slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(l.Name, p) }) {
			links = append(links, l)
		}
	}
	return links
}

// unanswered leaves out what the Kernel told by itself.
func unanswered(links []*flowtable.Link, answers []flowtable.Answer) []*flowtable.Link {
	return slices.DeleteFunc(links, func(l *flowtable.Link) bool {
		return slices.ContainsFunc(answers, func(a flowtable.Answer) bool { return a.Device == l.Name })
	})
}

// offeredBy tells for each device of the hardware flowtables in some tables which one it is in.
func offeredBy(have *ruleset.Loaded, within func(ruleset.LoadedTable) bool) map[string]string {
	offered := map[string]string{}
	for _, f := range hardwareFlowtables(have, within) {
		for _, d := range f.Devices {
			if d.Name != "" {
				offered[d.Name] = fmt.Sprintf("flowtable %s %s %s", f.Family, f.Table, f.Name)
			}
		}
	}
	return offered
}

// hardwareFlowtables are those in some tables whose flows drivers are asked to carry.
func hardwareFlowtables(have *ruleset.Loaded, within func(ruleset.LoadedTable) bool) []ruleset.LoadedFlowtable {
	in := map[part]bool{}
	for _, t := range have.Tables() {
		in[part{t.Family, t.Name, ""}] = within(t)
	}
	return slices.DeleteFunc(have.Flowtables(), func(f ruleset.LoadedFlowtable) bool {
		return !f.Hardware() || !in[part{f.Family, f.Table, ""}]
	})
}

// learnRefusal reports whether planning again may help after a commit was refused at a hardware flowtable: a driver refused what it
// had accepted, or it is to be bound before it is unbound from where it was. Drivers are bound while a batch is prepared, and unbound when
// it is committed, so that one which takes each device once answers EBUSY: its devices are then in software for one commit.
func (m *Manager) learnRefusal(err error) (again bool) {
	var refused *ApplyError
	if !errors.As(err, &refused) {
		return false
	}
	spec, devices, ok := refused.Operation.Flowtable()
	switch {
	case !ok || spec.Hardware != flowtable.HardwareOn:
		return false
	case errors.Is(err, ErrHardwareRefused):
		return m.hardwareRefused(devices)
	case refused.Errno == ebusy:
		return m.hardwareBusy(devices)
	}
	return false
}

// hardwareBusy tells that drivers of these devices were bound already. It is false if no answer was relied on.
func (m *Manager) hardwareBusy(devices []string) (again bool) {
	d := &m.drivers
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, name := range devices {
		a := d.known[name]
		if a.Result != flowtable.Accepted {
			continue
		}
		a.Result, a.Evidence = flowtable.Busy, "the kernel refused the flowtable with flags offload: device or resource busy"
		a.refused++
		a.step = a.refused == 1
		d.known[name] = a
		again = true
	}
	return again
}

// hardwareRefused tells that the kernel refused a hardware flowtable with these devices. Their answers are asked for again; one
// that accepts when it is asked and is refused twice is a driver that refuses. It is false if no answer was relied on: then a
// new plan would be the same.
func (m *Manager) hardwareRefused(devices []string) (again bool) {
	d := &m.drivers
	d.mu.Lock()
	defer d.mu.Unlock()
	relied := slices.DeleteFunc(slices.Clone(devices), func(name string) bool { return d.known[name].Result != flowtable.Accepted })
	for _, name := range relied {
		a := d.known[name]
		a.refused++
		if len(relied) == 1 || a.refused > 1 {
			a.Result, a.Evidence = flowtable.DriverRefuses, "the kernel refused the flowtable with flags offload: operation not supported"
		} else {
			a.index = askAgain
		}
		d.known[name] = a
	}
	return len(relied) > 0
}
