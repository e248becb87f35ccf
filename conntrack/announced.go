package conntrack

import (
	"errors"
	"fmt"
	"math/bits"
)

// announced names the flowtable that a bit of the ct mark stands for; see Config.Announced.
type announced struct {
	mask  uint32
	names map[uint32]string
}

func newAnnounced(names map[uint32]string) (announced, error) {
	a := announced{names: make(map[uint32]string, len(names))}
	var errs []error
	for bit, name := range names {
		if bits.OnesCount32(bit) != 1 || name == "" {
			errs = append(errs, fmt.Errorf("conntrack: Config.Announced: %#x is to be one bit of the mark and %q the name of a flowtable", bit, name))
		}
		a.mask |= bit
		a.names[bit] = name
	}
	return a, errors.Join(errs...)
}

// flowtable is the one that e's mark names. The bit stays set when a connection leaves the fast path, so it says nothing of a slow one;
// and of two bits nobody knows which was set last.
func (a *announced) flowtable(status Status, mark uint32) string {
	if a.mask == 0 || status.Path() == Slow {
		return ""
	}
	return a.names[mark&a.mask]
}
