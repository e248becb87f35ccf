package testns

import (
	"errors"
	"fmt"

	"github.com/go-fastpath/fastpath/flowtable"
)

// ErrNotOnThisKernel is matched when a topology is refused because this kernel does not survive a flowtable below it.
var ErrNotOnThisKernel = errors.New("not on this kernel")

// panicsBelow is the quirk (flowtable.Quirks) of kernels that panic when the fast path sends a packet out below PPPoE or two VLAN tags.
const panicsBelow = "panics-below-pppoe-qinq"

// mayBuild refuses stacks that a kernel of that release does not survive, whether or not the test would load a flowtable: no test can
// forget to look. Of a release that cannot be read the worst is taken.
func mayBuild(release string, stacks ...Stack) error {
	if !(flowtable.Kernel{Release: release}).HasQuirk(panicsBelow) {
		return nil
	}
	for _, s := range stacks {
		if s.isPPPoE() || s == QinQ {
			return fmt.Errorf("%w: Linux %s panics below the stack %s (%s)", ErrNotOnThisKernel, release, s, panicsBelow)
		}
	}
	return nil
}

// mayBuildHere is mayBuild of the running kernel.
func mayBuildHere(stacks ...Stack) error {
	k, err := Kernel()
	if err != nil {
		return err
	}
	return mayBuild(k.Text, stacks...)
}
