package ruleset

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// heldSet is a set as it would be read, with these elements.
func heldSet(t *testing.T, typ SetType, interval bool, words ...string) *LoadedSet {
	t.Helper()
	ranges, err := rangesOf(typ, words)
	require.NoError(t, err)
	number, length, _ := kindOf(typ).SetType()
	s := &LoadedSet{KeyType: number, KeyLen: length, ranges: ranges}
	if interval {
		s.Flags = 4
	}
	return s
}

func TestElementList(t *testing.T) {
	var l ElementList
	require.Empty(t, l.Remove("192.0.2.1"))
	require.NoError(t, l.Add(IPv4Addr, "192.0.2.1", "10.0.0.0-10.0.0.255", "198.51.100.4"))
	require.NoError(t, l.Add(IPv4Addr, "10.0.0.0/24"), "the same in other words")
	require.Error(t, l.Add(IPv4Addr, "203.0.113.1", "2001:db8::1"))
	require.Equal(t, 3, l.Len())

	held := heldSet(t, IPv4Addr, true, "10.0.0.0/8", "192.0.2.1", "198.51.100.4-198.51.100.5")
	assert.Empty(t, l.Missing(held), "what overlaps cannot be put in")
	assert.Zero(t, l.Uncovered(held))
	part := heldSet(t, IPv4Addr, true, "10.0.0.7")
	assert.Equal(t, []string{"192.0.2.1", "198.51.100.4"}, l.Missing(part))
	assert.Equal(t, 3, l.Uncovered(part))
	assert.Equal(t, []string{"192.0.2.1", "198.51.100.4"}, l.Missing(heldSet(t, IPv4Addr, false)), "a set without intervals")
	other := heldSet(t, InetService, true)
	assert.Empty(t, l.Missing(other))
	assert.Equal(t, 3, l.Uncovered(other))

	into := l.Into(Set{Type: IPv4Addr, Interval: true, Elements: []string{"192.0.2.0/24"}})
	assert.Equal(t, []string{"192.0.2.0/24", "10.0.0.0/24", "198.51.100.4"}, into.Elements)
	assert.Empty(t, l.Into(Set{Type: IPv6Addr}).Elements)

	require.NoError(t, l.Add(IPv4Addr, "10.0.0.9"), "a set that takes it has not the wider one any more")
	assert.Equal(t, []string{"10.0.0.9"}, l.Remove("10.0.0.9", "10.0.0.0/24", "no address"))
	assert.Equal(t, 1, l.Retain(heldSet(t, IPv4Addr, true, "192.0.2.1")))
	assert.Equal(t, []string{"192.0.2.1"}, l.Into(Set{Type: IPv4Addr}).Elements)
	require.NoError(t, l.Add(IfName, "eth*", "wan0"))
	assert.Equal(t, 2, l.Len(), "another type begins anew")
	assert.Equal(t, IfName, l.Type())
	words := l.Into(Set{Type: IfName, Interval: true}).Elements
	slices.Sort(words)
	assert.Equal(t, []string{"eth*", "wan0"}, words)
}
