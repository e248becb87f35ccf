package flowtable

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// largeTarget is a router with n devices: a bridge over a third of them, VLANs on another third, PPPoE sessions over those.
func largeTarget(n int) *Target {
	t := &Target{Kernel: KernelOf("6.12")}
	third := n / 3
	t.Links = append(t.Links, Link{Index: 1, Name: "br0", Kind: "bridge"}, Link{Index: 2, Name: "eth0"})
	for i := range third {
		index := 3 + 3*i
		t.Links = append(t.Links,
			Link{Index: index, Name: "lan" + strconv.Itoa(i), Master: 1},
			Link{Index: index + 1, Name: "eth0." + strconv.Itoa(i), Kind: "vlan", Parent: 2, VLAN: VLAN{ID: uint16(1 + i%4094)}},
			Link{Index: index + 2, Name: "ppp" + strconv.Itoa(i), Kind: "ppp", PPPoE: PPPoE{Device: "eth0." + strconv.Itoa(i), Session: uint16(1 + i)}})
	}
	return t
}

func BenchmarkBind(b *testing.B) {
	for _, n := range []int{300, 3000} {
		target := largeTarget(n)
		for _, layers := range []Layers{LayersLower, LayersAll} {
			b.Run(fmt.Sprintf("%s-%d-devices", layers, n), func(b *testing.B) {
				s := Spec{Name: "f", Layers: layers, Devices: []Selector{{Name: "br0"}, {Prefix: "ppp"}, {VLANsOn: "eth0"}}}
				b.ReportAllocs()
				for b.Loop() {
					if len(s.Bind(target)) < n/3 {
						b.Fatal("too few")
					}
				}
			})
		}
	}
}

// Each of many VLAN devices on a bridge stands on each of its many ports: the walks have to end before that product.
func TestBindSurvivesManyLayers(t *testing.T) {
	target := &Target{Kernel: KernelOf("6.12"), Links: []Link{{Index: 1, Name: "br0", Kind: "bridge"}}}
	s := Spec{Name: "f"}
	const n = 20_000
	for i := range n {
		target.Links = append(target.Links, Link{Index: 2 + 2*i, Name: "p" + strconv.Itoa(i), Master: 1}, Link{Index: 3 + 2*i, Name: "v" + strconv.Itoa(i), Kind: "vlan", Parent: 1})
		s.Devices = append(s.Devices, Selector{Name: "v" + strconv.Itoa(i)})
	}
	bindings := s.Bind(target)
	require.Len(t, bindings, n)
	for _, b := range bindings {
		require.Equal(t, Bound, b.State)
	}
	require.Len(t, target.Above("p0", "p1"), 0)
}
