package offload

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/ruleset"
)

// A Half sums up flows that bear the offload bit although the packets of one direction take the classic path: they come in by Device, and
// neither it nor any device below it is in a flowtable; of a tunnel (flowtable.Target.EntersBy) the one that this kernel takes its packets
// from is in none. Flows that tc's act_ct offloaded to a table of its own are among them, for both devices. Up to Linux 7.1 such flows are offloaded all the same, later ones if the
// devices left the flowtable afterwards (docs/devices.md). It is a plain value.
type Half struct {
	Device string `json:"device"` // the one that the route to the flow's end names: ppp0, br-lan
	// Lower are the devices to list in place of it, as flowtable.Target.Lower tells them.
	Lower []string `json:"lower,omitempty"`
	Flows uint64   `json:"flows"` // a flow counts for each of its two devices that it is true of
}

// halves sums up the offloaded flows of which a direction surely takes the classic path, and counts those of which that cannot be told.
func (m *Manager) halves(ctx context.Context, offloaded []ends) (halves []Half, untold uint64) {
	if len(offloaded) == 0 {
		return nil, 0
	}
	seen, err := m.ingress(ctx, offloaded)
	if err != nil {
		m.log.WarnContext(ctx, "report: it cannot be told which flows are half offloaded", "err", err)
		return nil, uint64(len(offloaded))
	}
	sums := map[string]*Half{}
	for _, e := range offloaded {
		told := true
		for i, addr := range e {
			device := seen.devices[addr]
			told = told && device != ""
			if device == "" || seen.looksAt(device) || i == 1 && device == seen.devices[e[0]] {
				continue
			}
			if sums[device] == nil {
				sums[device] = &Half{Device: device, Lower: seen.target.Lower(device)}
			}
			sums[device].Flows++
		}
		if !told {
			untold++
		}
	}
	for _, h := range sums {
		halves = append(halves, *h)
	}
	slices.SortFunc(halves, func(a, b Half) int { return cmp.Compare(a.Device, b.Device) })
	return halves, untold
}

// An ingress is what decides whether packets from an address meet a flowtable.
type ingress struct {
	devices map[netip.Addr]string // by which addresses are reached, where that is certain
	target  *flowtable.Target
	listed  []flowtable.Selector // in all flowtables of the namespace
	asked   map[string]bool      // what looksAt answered
}

func (m *Manager) ingress(ctx context.Context, offloaded []ends) (*ingress, error) {
	in := &ingress{asked: map[string]bool{}}
	var err error
	if in.devices, err = m.devices(ctx, offloaded); len(in.devices) == 0 || err != nil {
		return in, err
	}
	if in.target, err = m.target(ctx, false, false); err != nil {
		return nil, err
	}
	loaded, err := ruleset.Load("", m.kernel.Flowtables(ctx))
	if err != nil {
		return nil, err
	}
	for _, f := range loaded.Flowtables() {
		in.listed = append(in.listed, f.Devices...)
	}
	return in, nil
}

// looksAt reports whether a flowtable may see what comes in by a device: the device is listed, or one below it; of a tunnel the one that this
// kernel takes its packets from. Of a bridge with some ports listed it may be those.
func (in *ingress) looksAt(device string) bool {
	answer, ok := in.asked[device]
	if !ok {
		answer = slices.ContainsFunc(in.target.EntersBy(device), in.lists)
		in.asked[device] = answer
	}
	return answer
}

func (in *ingress) lists(device string) bool {
	return slices.ContainsFunc(in.listed, func(s flowtable.Selector) bool {
		return s.Name == device || s.Prefix != "" && strings.HasPrefix(device, s.Prefix)
	})
}
