package flowtable

import (
	"math/rand"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzBind binds random selectors to random machines, circles and twins among them: whatever comes, kernels take what is listed.
func FuzzBind(f *testing.F) {
	for seed := range int64(32) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed int64) {
		r := rand.New(rand.NewSource(seed))
		target := randomTarget(r)
		specs := make([]Spec, 1+r.Intn(3))
		for i := range specs {
			specs[i] = randomSpec(r, "f"+strconv.Itoa(i))
		}
		all := BindTable(specs, target)
		again := BindTable(specs, target)
		require.Equal(t, again, all)
		var together []Binding
		for i := range all {
			for _, b := range all[i] {
				require.Equal(t, specs[i].Name, b.Flowtable)
				require.LessOrEqual(t, len(b.Trace), maxTraces+1)
			}
			together = append(together, all[i]...)
		}
		if !target.isZero() {
			requireFit(t, target, together)
		}
		for _, l := range target.Links {
			target.Lower(l.Name)
		}
		target.Above("a", "b0")
		require.NotEmpty(t, target.Mermaid())
		require.NotEmpty(t, target.DOT())
	})
}

var fuzzNames = []string{"a", "b0", "b1", "b10", "eth0", "eth0.7", "ppp0", "ppp*", "x y", "very-long-name-0", "br0", "p", "\n"}

func randomTarget(r *rand.Rand) *Target {
	t := &Target{Kernel: KernelOf([]string{"6.1", "6.12", "6.16", "6.19", "7.1", "7.2", ""}[r.Intn(7)])}
	kinds := []string{"", "vlan", "bridge", "bond", "ppp", "dsa", "veth", "?"}
	for range r.Intn(16) {
		l := Link{Index: r.Intn(14), Name: fuzzNames[r.Intn(len(fuzzNames))], Kind: kinds[r.Intn(len(kinds))], Parent: r.Intn(14), Master: r.Intn(14), Group: uint32(r.Intn(3))}
		if r.Intn(3) == 0 {
			l.PPPoE = PPPoE{Device: fuzzNames[r.Intn(len(fuzzNames))], Session: uint16(r.Intn(9))}
		}
		t.Links = append(t.Links, l)
	}
	for range r.Intn(3) {
		t.DefaultRoutes = append(t.DefaultRoutes, r.Intn(14))
		t.Hardware = append(t.Hardware, Answer{Device: fuzzNames[r.Intn(len(fuzzNames))], Result: []Result{Accepted, Busy}[r.Intn(2)]})
	}
	return t
}

func randomSpec(r *rand.Rand, name string) Spec {
	s := Spec{Name: name, Layers: []Layers{"", LayersLower, LayersLogical, LayersAll}[r.Intn(4)], Hardware: []Hardware{"", HardwareOn, HardwareAuto}[r.Intn(3)]}
	spelled := []string{"a", "b0", "b1", "b10", "eth0", "eth0.7", "ppp0", "br0", "p", "none"}
	word := func() string { return spelled[r.Intn(len(spelled))] }
	for range r.Intn(6) {
		var d Selector
		switch r.Intn(8) {
		case 0, 1:
			d.Name = word()
		case 2:
			d.Prefix = []string{"b", "b1", "eth", "ppp", "p"}[r.Intn(5)]
		case 3:
			d.PortsOf = word()
		case 4:
			d.VLANsOn = word()
		case 5:
			d.PPPOver = word()
		case 6:
			d.Group = uint32(r.Intn(3))
		default:
			d.DefaultRoute = true
		}
		if r.Intn(4) == 0 {
			d.Except = []string{word(), "b1*"}
		}
		s.Devices = append(s.Devices, d)
	}
	return s
}
