package testns

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStacksAreNamed(t *testing.T) {
	assert.Equal(t, Layers{Logical: "lan0", Lower: []string{"lan0"}, All: []string{"lan0"}}, Plain.layers("lan0"))
	assert.Equal(t, Layers{Logical: "ppp0", Lower: []string{"wan0"}, All: []string{"ppp0", "wan0.7", "wan0"}}, PPPoEVLAN.layers("wan0"))
	assert.Equal(t, Layers{Logical: "br-lan.10", Lower: []string{"lan0", "lan0b"}, All: []string{"br-lan.10", "br-lan", "lan0", "lan0b"}},
		BridgeTagged.layers("lan0"))
	for _, s := range Stacks() {
		l := s.layers("wan0")
		assert.NotEmpty(t, l.Lower, s)
		assert.Equal(t, l.Logical, l.All[0], s)
		assert.Subset(t, l.All, l.Lower, s)
	}
}

func TestRouterRefusesStacks(t *testing.T) {
	_, err := NewRouter(t.Context(), &RouterConfig{WANStack: "tower"})
	require.ErrorContains(t, err, `no stack "tower"`)
	_, err = NewRouter(t.Context(), &RouterConfig{LANStack: PPPoE})
	require.ErrorContains(t, err, "for the WAN")
}
