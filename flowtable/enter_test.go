package flowtable

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestSeenBy: what stands on a listed device, or holds one, is seen; what stands beside it is not.
func TestSeenBy(t *testing.T) {
	target := &Target{Links: []Link{
		{Index: 1, Name: "eth0"}, {Index: 2, Name: "eth0.7", Kind: "vlan", Parent: 1, VLAN: VLAN{ID: 7}},
		{Index: 3, Name: "ppp0", Kind: "ppp", PPPoE: PPPoE{Device: "eth0.7", Session: 5}},
		{Index: 4, Name: "port0", Master: 6}, {Index: 5, Name: "port1", Master: 6}, {Index: 6, Name: "br0", Kind: "bridge", Master: 7}, {Index: 7, Name: "red", Kind: "vrf"},
		{Index: 8, Name: "eth1"}, {Index: 9, Name: "docker0", Kind: "bridge"}, {Index: 10, Name: "ppp1", Kind: "ppp"},
	}}
	for _, c := range []struct{ listed, want []string }{
		{nil, nil},
		{[]string{"eth0"}, []string{"eth0", "eth0.7", "ppp0"}},
		{[]string{"eth0.7"}, []string{"eth0.7"}},
		{[]string{"port1"}, []string{"br0", "port1", "red"}},
		{[]string{"br0"}, []string{"br0", "red"}},
		{[]string{"ppp*"}, []string{"ppp*", "ppp0", "ppp1"}},
		{[]string{"later0"}, []string{"later0"}},
	} {
		assert.Equal(t, c.want, target.SeenBy(c.listed...), "%v", c.listed)
	}
	assert.Equal(t, []string{"eth0"}, (*Target)(nil).SeenBy("eth0"))
	target.Links[6].Master = 6 // a circle
	assert.Equal(t, []string{"br0", "port0", "red"}, target.SeenBy("port0"))
}
