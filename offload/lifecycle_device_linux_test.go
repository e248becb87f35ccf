package offload_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// TestRunFollowsADevice lets one device live through everything: each time a flow through it takes the fast path afterwards, or does not
// where it should not, and a flow of others never leaves it.
func TestRunFollowsADevice(t *testing.T) {
	l := newLifecycle(t, flowtable.Selector{Group: visitors}, flowtable.Selector{PortsOf: "br-dyn"})
	var v *visitor
	step := func(what string, fast bool, do func()) {
		l.undisturbed(t, what, func() {
			do()
			t.Logf("%s: %s: proven after %v", l.kernel.Text, what, l.reaches(t, v, fast))
		})
	}
	ip := func(commands ...string) { require.NoError(t, l.NS.IP(t.Context(), commands...)) }

	step("created", true, func() { v = l.visit(t, 10) })
	step("deleted, and made again under the same name", true, func() {
		ip("link del dyn10")
		v.plug(t, l)
	})
	step("renamed", true, func() {
		ip("link set dev dyn10 down", "link set dev dyn10 name other", "link set dev other up")
		v.device = "other"
	})
	step("taken out of the group", false, func() { ip("link set dev other group 0") })
	step("put into the group", true, func() { ip(fmt.Sprintf("link set dev other group %d", visitors)) })
	step("moved to another namespace and back", true, func() {
		far := testns.NewT(t, "far")
		ip("link set dev other netns " + far.ToolPath())
		require.NoError(t, far.IP(t.Context(), "link set dev other name dyn11 netns "+l.NS.ToolPath()))
		v.device = "dyn11"
		ip(fmt.Sprintf("link set dev dyn11 group %d", visitors))
		v.configure(t, l, v.device)
	})
	step("enslaved to a bridge", true, func() {
		ip("link add br-dyn type bridge", "link set dev br-dyn up", "addr flush dev dyn11", "link set dev dyn11 group 0 master br-dyn")
		v.configure(t, l, "br-dyn")
	})
}

// TestRunFollowsANameAndAPrefix is for what kernels since 6.16 do themselves: devices are declared by name and by prefix before they are
// there, and renamed. Older ones are served by Run.
func TestRunFollowsANameAndAPrefix(t *testing.T) {
	l := newLifecycle(t, flowtable.Selector{Name: "dyn20"}, flowtable.Selector{Prefix: "pre"})
	var v *visitor
	step := func(what string, fast bool, do func()) {
		l.undisturbed(t, what, func() {
			do()
			t.Logf("%s: %s: proven after %v", l.kernel.Text, what, l.reaches(t, v, fast))
		})
	}
	ours := func() []flowtable.Selector { return l.listed(t) }
	rename := func(from, to string) {
		require.NoError(t, l.NS.IP(t.Context(), "link set dev "+from+" down", "link set dev "+from+" name "+to, "link set dev "+to+" up"))
	}
	if l.kernel.AtLeast(6, 16) {
		require.Subset(t, ours(), []flowtable.Selector{{Name: "dyn20"}, {Prefix: "pre"}}, "the kernel has what was declared")
	} else {
		require.ElementsMatch(t, names(l.LANDevice, l.WANDevice), ours(), "what is not there is left out")
	}
	step("the name appears", true, func() { v = l.visit(t, 20) })
	step("it is renamed to what the prefix picks", true, func() { rename("dyn20", "pre20") })
	if !l.kernel.AtLeast(6, 16) {
		require.Contains(t, ours(), flowtable.Selector{Name: "pre20"})
	}
	step("it is renamed to what nothing picks", false, func() { rename("pre20", "aside") })
	step("it has its name again", true, func() { rename("aside", "dyn20") })
}
