package offloadtest

import (
	"context"
	"strings"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/offload"
)

var _ offload.Prober = (*Kernel)(nil)

// Probe answers as a machine whose drivers take flowtables, but for those that Refuse named. What is known of hw-tc-offload
// (Link.TCOffload) decides whether a driver is asked, unless it is forced.
func (k *Kernel) Probe(ctx context.Context, devices []string, force bool) ([]flowtable.Answer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	answers := make([]flowtable.Answer, len(devices))
	for i, name := range devices {
		result, evidence := k.probe(name, force)
		answers[i] = flowtable.Answer{Device: name, Result: result, Evidence: evidence}
	}
	return answers, nil
}

func (k *Kernel) probe(name string, force bool) (flowtable.Result, string) {
	l := k.link(name)
	if l == nil {
		return flowtable.NoDevice, "no link of this name"
	}
	feature := "hw-tc-offload: " + l.TCOffload
	switch {
	case force || l.TCOffload == "on" || l.TCOffload == "on [fixed]":
	case l.TCOffload == "":
		return flowtable.NotTried, "nothing is known of hw-tc-offload"
	case strings.HasSuffix(l.TCOffload, "[fixed]"):
		return flowtable.FixedOff, feature
	default:
		return flowtable.FeatureOff, feature
	}
	switch {
	case k.refusing[name]:
		return flowtable.DriverRefuses, "Refuse was called for it"
	case k.inHardware(name):
		return flowtable.Busy, "another hardware flowtable has it"
	}
	return flowtable.Accepted, "a driver of offloadtest takes it"
}

// inHardware reports whether a flowtable with the hardware flag lists the device.
func (k *Kernel) inHardware(name string) bool {
	for _, t := range k.state.tables {
		for _, f := range t.flowtables {
			if f.flags&nlmsg.FlowtableHWOffload == 0 {
				continue
			}
			for _, d := range f.devices {
				if d.name == name || d.prefix && strings.HasPrefix(name, d.name) {
					return true
				}
			}
		}
	}
	return false
}
