package flowtable

import (
	"errors"
	"fmt"
	"strconv"
)

// Validate reports every mistake of the Spec at once, joined; each is a *FieldError with its path below the Spec
// ("devices[2].name"). Of the devices it reports the first hundred mistakes, and how many there are. A valid Spec is
// one that nft can spell and that a kernel takes, if its devices are there.
func (s Spec) Validate() error {
	var all mistakes
	all.add("name", CheckReference(s.Name))
	overlaps := FirstOverlaps(s.Devices)
	before := len(all)
	for i, d := range s.Devices {
		path := "devices[" + strconv.Itoa(i) + "]"
		all.checkSelector(path, d)
		if first := overlaps[i]; first >= 0 {
			all.add(path, fmt.Errorf("%s is already picked by %s; remove one, the kernel refuses both", quoted(d), quoted(s.Devices[first])))
		}
	}
	all = Shorten(all, before)
	all.add("priority", checkIngressPriority(s.Priority))
	switch s.Layers {
	case LayersDefault, LayersLower, LayersLogical, LayersAll:
	default:
		all.add("layers", fmt.Errorf(`unknown layers %q; write "lower", "logical" or "all", or leave it out`, string(s.Layers)))
	}
	switch s.Hardware {
	case HardwareOff, HardwareOn, HardwareAuto:
	default:
		all.add("hardware", fmt.Errorf(`unknown hardware mode %q; write "on" or "auto", or leave it out`, string(s.Hardware)))
	}
	return all.join()
}

// checkIngressPriority accepts what nft takes at ingress: numbers and "filter" with an offset.
func checkIngressPriority(p Priority) error {
	v, err := p.Int32()
	if err != nil {
		return err
	}
	if name, _, _ := p.split(); name != "" && name != "filter" {
		return fmt.Errorf(`nft knows no priority %q at ingress; write "filter" with an offset, or the number "%d"`, name, v)
	}
	return nil
}

// mistakes gathers FieldErrors.
type mistakes []error

func (m *mistakes) add(path string, err error) {
	if err != nil {
		*m = append(*m, &FieldError{Path: path, Err: err})
	}
}

func (m mistakes) join() error { return errors.Join(m...) }
