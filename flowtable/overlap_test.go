package flowtable

import (
	"math/rand"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// overlap is the pairwise definition.
func overlap(a, b Selector) bool {
	switch {
	case a.isEmpty() || b.isEmpty():
		return false
	case a.Prefix != "" && b.Prefix != "":
		return strings.HasPrefix(a.Prefix, b.Prefix) || strings.HasPrefix(b.Prefix, a.Prefix)
	case a.Prefix != "":
		return strings.HasPrefix(b.Name, a.Prefix)
	case b.Prefix != "":
		return strings.HasPrefix(a.Name, b.Prefix)
	}
	return a.Name == b.Name
}

// TestFirstOverlaps compares with asking every pair.
func TestFirstOverlaps(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	words := []string{"", "a", "ab", "abc", "abd", "b", "ba", "bb", "abcdefghijklmno", "abcdefghijklmn", "c"}
	for range 2000 {
		all := make([]Selector, random.Intn(8))
		for i := range all {
			if word := words[random.Intn(len(words))]; random.Intn(2) == 0 {
				all[i].Name = word
			} else {
				all[i].Prefix = word
			}
		}
		want := make([]int, len(all))
		for i := range all {
			want[i] = -1
			for j := range i {
				if overlap(all[i], all[j]) {
					want[i] = j
					break
				}
			}
		}
		require.Equal(t, want, FirstOverlaps(all), "%v", all)
	}
}

// Asking every pair of so many would take minutes.
func TestValidateSurvivesManyDevices(t *testing.T) {
	s := Spec{Name: "f"}
	for i := range 50_000 {
		s.Devices = append(s.Devices, Selector{Name: "d" + strconv.Itoa(i)})
	}
	assert.NoError(t, s.Validate())
	s.Devices = append(s.Devices, Selector{Prefix: "d17"})
	assert.ErrorContains(t, s.Validate(), `devices[50000]: "d17*" is already picked by "d17"`)
	target := Target{Kernel: KernelOf("6.12")}
	for _, d := range s.Devices[:25_000] {
		target.Links = append(target.Links, Link{Name: d.Name})
	}
	assert.Len(t, s.Bind(&target), 50_000)
}
