package kernel

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/ruleset"
)

// Probe asks whether the drivers of devices take a flowtable with nft's `flags offload`, and answers for each in the order given. A
// driver is really asked only where the feature hw-tc-offload exists and is on. That is one batch without its end: the driver
// binds the device and lets it go in the same system call, nothing of it stays even if this process dies in the middle, and
// live flowtables are not touched. A device that is in a hardware flowtable is not tried: some drivers bind but once. It is Busy.
//
// With force drivers are asked whatever the feature says, for some that only answer to others' callbacks do not set it. Mind that
// a refusal leaves an entry behind in Linux 6.1 to 7.2 at least (flow_indr_dev_setup_offload, net/core/flow_offload.c), which crashes
// the machine when the next driver registers for such callbacks, as mlx5 and ice do when they are loaded: load them before, or do
// without force.
//
// It needs CAP_NET_ADMIN where a driver is to be asked.
func (k *Kernel) Probe(ctx context.Context, devices []string, force bool) ([]flowtable.Answer, error) {
	known, err := k.surroundings(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]flowtable.Answer, len(devices))
	var try []string
	for i, device := range devices {
		list[i] = known.answer(device, force)
		if list[i].Result == flowtable.NotTried && list[i].Evidence == "" {
			try = append(try, device)
		}
	}
	tried, err := k.askDrivers(ctx, try)
	if err != nil {
		return nil, err
	}
	for i, a := range list {
		if now, ok := tried[a.Device]; ok {
			list[i] = now
		}
	}
	return list, nil
}

// surroundings are what is to be known before drivers are asked.
type surroundings struct {
	features   map[string]string // hw-tc-offload, by device
	flowtables Finding
	hardware   []ruleset.LoadedFlowtable // whose flows drivers are asked to carry
}

func (k *Kernel) surroundings(ctx context.Context) (surroundings, error) {
	s := surroundings{features: map[string]string{}}
	links, err := k.links(ctx)
	if err != nil {
		return s, err
	}
	if err := k.addFeatures(ctx, links); err != nil {
		return s, err
	}
	for _, l := range links {
		s.features[l.Name] = l.TCOffload
	}
	m, err := k.Manners(ctx)
	if err != nil {
		return s, err
	}
	if s.flowtables = m.Flowtables; m.Flowtables.Known && !m.Flowtables.Yes {
		return s, nil
	}
	loaded, err := ruleset.Load("", k.Flowtables(ctx))
	if err != nil {
		return s, err
	}
	for _, f := range loaded.Flowtables() {
		if f.Hardware() {
			s.hardware = append(s.hardware, f)
		}
	}
	return s, nil
}

// answer is NotTried without evidence where nothing but the driver can answer.
func (s surroundings) answer(device string, force bool) flowtable.Answer {
	feature, there := s.features[device]
	is := func(r flowtable.Result, evidence string) flowtable.Answer {
		return flowtable.Answer{Device: device, Result: r, Evidence: evidence}
	}
	switch {
	case !there:
		return is(flowtable.NoDevice, "the network namespace has no such device")
	case s.flowtables.Known && !s.flowtables.Yes:
		return is(flowtable.NoModule, s.flowtables.Evidence)
	}
	if f, ok := s.holder(device); ok {
		return is(flowtable.Busy, fmt.Sprintf("in the hardware flowtable %s %s %s; not tried, some drivers bind a device but once",
			f.Family, flowtable.Spelled(f.Table), flowtable.Spelled(f.Name)))
	}
	switch {
	case force || strings.HasPrefix(feature, "on"):
		return is(flowtable.NotTried, "")
	case feature == "":
		return is(flowtable.NotTried, "the kernel does not tell the feature "+tcOffload+" (Linux 5.7 does)")
	case strings.HasSuffix(feature, "[fixed]"):
		return is(flowtable.FixedOff, tcOffload+": "+feature)
	}
	return is(flowtable.FeatureOff, fmt.Sprintf("%s: %s; `ethtool -K %s %s on` turns it on", tcOffload, feature, flowtable.Spelled(device), tcOffload))
}

// holder is the hardware flowtable that has a device.
func (s surroundings) holder(device string) (ruleset.LoadedFlowtable, bool) {
	for _, f := range s.hardware {
		for _, d := range f.Devices {
			if d.Name == device || d.Name == "" && strings.HasPrefix(device, d.Prefix) {
				return f, true
			}
		}
	}
	return ruleset.LoadedFlowtable{}, false
}

// askDrivers has the kernel validate a hardware flowtable for each device, and take it all back.
func (k *Kernel) askDrivers(ctx context.Context, devices []string) (map[string]flowtable.Answer, error) {
	if len(devices) == 0 {
		return nil, nil
	}
	b := newProbe()
	numbers := map[string]uint32{} // a device may be asked for twice
	for _, device := range devices {
		if _, twice := numbers[device]; twice {
			continue
		}
		numbers[device] = uint32(probeEmpty + len(numbers))
		b.flowtable(numbers[device], nlmsg.FlowtableHWOffload, nlmsg.NFTADeviceName, device)
	}
	a, err := k.try(ctx, b.Bytes(), probeEmpty+len(numbers))
	if err != nil {
		return nil, err
	}
	if whole := a[0]; whole != 0 {
		return nil, k.explain("ask drivers for hardware offload", whole)
	}
	found := make(map[string]flowtable.Answer, len(numbers))
	for device, seq := range numbers {
		found[device] = a.driver(seq, device)
	}
	return found, nil
}

// driver reads the answer to one device's message.
func (a answers) driver(seq uint32, device string) flowtable.Answer {
	answer := flowtable.Answer{Device: device, Result: flowtable.DriverRefuses}
	errno, answered := a[seq]
	what := "tried a flowtable with `flags offload` and " + flowtable.Spelled(device) + ": "
	answer.Evidence = what + errnoText(errno)
	switch {
	case !answered:
		answer.Result, answer.Evidence = flowtable.NotTried, what+"no answer"
	case errno == 0:
		answer.Result, answer.Evidence = flowtable.Accepted, what+"the driver binds it"
	case errno == unix.ENOENT: // before Linux 6.16: it vanished meanwhile
		answer.Result = flowtable.NoDevice
	case errno == unix.EBUSY, errno == unix.EEXIST:
		answer.Result = flowtable.Busy
	}
	return answer
}
