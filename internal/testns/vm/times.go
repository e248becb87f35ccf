package vm

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Timing is how long one test took, with its subtests, by the clock on the wall.
type Timing struct {
	Package, Test string
	Seconds       float64
}

// slowestShown is how many tests SlowestLine names.
const slowestShown = 10

// SlowestLine names the tests that took longest, the longest first, in one line; "" if none took a second.
func (s Summary) SlowestLine() string {
	times := slices.DeleteFunc(slices.Clone(s.Result.Times), func(t Timing) bool { return t.Seconds < 1 })
	if len(times) == 0 {
		return ""
	}
	slices.SortStableFunc(times, func(a, b Timing) int { return cmp.Compare(b.Seconds, a.Seconds) })
	words := make([]string, 0, slowestShown)
	for _, t := range times[:min(len(times), slowestShown)] {
		words = append(words, fmt.Sprintf("%.0f s %s %s", t.Seconds, t.Package, t.Test))
	}
	return fmt.Sprintf("%s, slowest: %s", s.Name, strings.Join(words, ", "))
}
