package offload

import (
	"context"
	"fmt"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/ruleset"
)

// Probe tells of each device, in the order given, whether its driver takes a flowtable with nft's `flags offload`, and how that is
// known. A device that a hardware flowtable of this library carries answers by that and is not asked. The others are asked anew, by a
// flowtable of their own that never comes into force: drivers bind the device and unbind it, nothing of it stays, and no live
// flowtable is touched. What a driver answers is what flowtables with HardwareAuto rely on from the next plan on.
//
// Drivers are asked only where the device has the feature hw-tc-offload and it is on (`ethtool -k`): kernels 6.1 to 7.2 remember
// an attempt that no driver took up, in a list that they follow when the next driver registers (mlx5 or ice, when they are loaded),
// and crash then (flow_indr_dev_setup_offload in net/core/flow_offload.c). With force they are asked in any case: only where you
// know that no driver is loaded later.
//
// Errors are those of reading the machine and its ruleset; a device that could not be asked is NotTried, or says why.
func (m *Manager) Probe(ctx context.Context, force bool, devices ...string) ([]flowtable.Answer, error) {
	target, err := m.Target(ctx)
	if err != nil {
		return nil, err
	}
	have, err := m.load(ctx, "")
	if err != nil {
		return nil, err
	}
	ours := offeredBy(have, func(t ruleset.LoadedTable) bool { return t.Owner != "" })
	answers := make([]flowtable.Answer, len(devices))
	var ask []*flowtable.Link
	at := map[string][]int{}
	for i, name := range devices {
		link := linkOf(target, name)
		known, ok := m.drivers.recallOurs(link, ours)
		switch {
		case link == nil:
			answers[i] = flowtable.Answer{Device: name, Result: flowtable.NoDevice, Evidence: "the namespace has no such link"}
			continue
		case ok:
			answers[i] = known
			continue
		case len(at[name]) == 0:
			ask = append(ask, link)
		}
		at[name] = append(at[name], i)
	}
	for _, a := range m.askDrivers(ctx, ask, force, ours) {
		for _, i := range at[a.Device] {
			answers[i] = a
		}
	}
	return answers, nil
}

// askDrivers asks the drivers of devices, and remembers what they say. There is one answer for each device.
func (m *Manager) askDrivers(ctx context.Context, links []*flowtable.Link, force bool, ours map[string]string) []flowtable.Answer {
	if len(links) == 0 {
		return nil
	}
	names := namesOf(links)
	answers, err := m.probe(ctx, names, force)
	if err != nil {
		m.log.WarnContext(ctx, "drivers could not be asked", "devices", names, "err", err)
		answers = notTried(names, err.Error())
	}
	for i, l := range links {
		a := &answers[i]
		if in := ours[l.Name]; in != "" && a.Result == flowtable.Busy {
			*a = m.drivers.held(l, force, in)
		} else {
			m.drivers.keep(l, *a)
		}
		m.log.InfoContext(ctx, "driver asked", "device", l.Name, "answer", a.Result, "evidence", a.Evidence)
	}
	return answers
}

// probe has one answer for each device, or an error.
func (m *Manager) probe(ctx context.Context, names []string, force bool) ([]flowtable.Answer, error) {
	if m.running.Observe {
		return notTried(names, "only observing: drivers are not asked"), nil
	}
	k, ok := m.kernel.(Prober)
	if !ok {
		return notTried(names, "this Kernel asks no drivers"), nil
	}
	answers, err := k.Probe(ctx, names, force)
	if err == nil && len(answers) != len(names) {
		err = fmt.Errorf("offload: probe: %d answers for %d devices", len(answers), len(names))
	}
	return answers, err
}

func notTried(names []string, why string) []flowtable.Answer {
	answers := make([]flowtable.Answer, len(names))
	for i, name := range names {
		answers[i] = flowtable.Answer{Device: name, Result: flowtable.NotTried, Evidence: why}
	}
	return answers
}

func namesOf(links []*flowtable.Link) []string {
	names := make([]string, len(links))
	for i, l := range links {
		names[i] = l.Name
	}
	return names
}

func linkOf(target *flowtable.Target, name string) *flowtable.Link {
	for i := range target.Links {
		if target.Links[i].Name == name {
			return &target.Links[i]
		}
	}
	return nil
}
