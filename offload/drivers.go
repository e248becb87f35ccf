package offload

import (
	"strings"
	"sync"

	"github.com/go-fastpath/fastpath/flowtable"
)

// drivers remembers what drivers answered, by the device's name.
type drivers struct {
	mu    sync.Mutex
	known map[string]driverAnswer
	again bool // a plan took devices to software for one commit
}

// A driverAnswer holds for one incarnation of a device, and for one state of its feature hw-tc-offload.
type driverAnswer struct {
	flowtable.Answer
	index   int
	feature string
	refused int  // how often the kernel refused the device after it had accepted it
	step    bool // the answer holds for one commit
}

// askAgain is the index of no device.
const askAgain = -1

func (a driverAnswer) holdsFor(l *flowtable.Link) bool {
	return a.index == l.Index && a.feature == l.TCOffload
}

// recall is what is known of a device without asking: what its driver answered before, or that it is in a flowtable of ours.
func (d *drivers) recall(l *flowtable.Link, ours map[string]string) (flowtable.Answer, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if known, ok := d.known[l.Name]; ok {
		return known.Answer, known.holdsFor(l)
	}
	return d.live(l, ours)
}

// recallOurs is recall for devices in a flowtable of ours alone.
func (d *drivers) recallOurs(l *flowtable.Link, ours map[string]string) (flowtable.Answer, bool) {
	if l == nil || ours[l.Name] == "" {
		return flowtable.Answer{}, false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if known, ok := d.known[l.Name]; ok && !known.holdsFor(l) { // another device bears the name now, or its feature changed
		return flowtable.Answer{}, false
	}
	return d.live(l, ours)
}

// live is the answer of a device in a flowtable of ours. It is for those who hold the lock.
func (d *drivers) live(l *flowtable.Link, ours map[string]string) (flowtable.Answer, bool) {
	in, ok := ours[l.Name]
	if !ok || strings.HasPrefix(l.TCOffload, "off") {
		return flowtable.Answer{}, false
	}
	answer := flowtable.Answer{Device: l.Name, Result: flowtable.Accepted, Evidence: "it is in " + in + ", which has flags offload"}
	d.learn(l, answer)
	return answer, true
}

// held is the answer of a device that a flowtable of ours lists, though what was known of it holds no longer: its feature changed, or
// another device bears its name. That one's driver accepts, too: since Linux 6.16 flowtables list names, and a device that comes under
// such a name and whose driver refuses cannot come (nft_flowtable_event in net/netfilter/nf_tables_api.c); before, it is not listed.
func (d *drivers) held(l *flowtable.Link, force bool, in string) flowtable.Answer {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := flowtable.Answer{Device: l.Name, Result: flowtable.Accepted, Evidence: "it is in " + in + ", which has flags offload"}
	if strings.HasPrefix(l.TCOffload, "off") && !force {
		a.Result, a.Evidence = flowtable.FeatureOff, "hw-tc-offload: "+l.TCOffload
		if strings.HasSuffix(l.TCOffload, "[fixed]") {
			a.Result = flowtable.FixedOff
		}
	}
	d.learn(l, a)
	return a
}

// keep remembers an answer of a driver; what may be another one at any time is not kept.
func (d *drivers) keep(l *flowtable.Link, a flowtable.Answer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch a.Result {
	case flowtable.Accepted, flowtable.DriverRefuses, flowtable.FixedOff, flowtable.FeatureOff:
		d.learn(l, a)
	default:
		delete(d.known, l.Name)
	}
}

// learn is for those who hold the lock.
func (d *drivers) learn(l *flowtable.Link, a flowtable.Answer) {
	if d.known == nil {
		d.known = map[string]driverAnswer{}
	}
	next := driverAnswer{Answer: a, index: l.Index, feature: l.TCOffload}
	if before := d.known[l.Name]; before.index == l.Index || before.index == askAgain {
		next.refused = before.refused
	}
	d.known[l.Name] = next
}

// stepped is for when a plan is in force: devices that were in software for that one commit are asked again.
func (d *drivers) stepped() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, a := range d.known {
		if a.step {
			a.step, a.index = false, askAgain
			d.known[name] = a
			d.again = true
		}
	}
}

// planAgain reports, once, that devices are to be asked again.
func (d *drivers) planAgain() (again bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	again, d.again = d.again, false
	return again
}
