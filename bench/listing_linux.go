package main

import (
	"slices"
	"strings"
)

// sameRuleset compares two listings word by word, in any order: sets are listed in that of their hashes. The table's comment is
// left out, which only fastpath writes.
func sameRuleset(a, b string) bool { return slices.Equal(words(a), words(b)) }

func words(listing string) []string {
	var all []string
	for line := range strings.Lines(listing) {
		if !strings.HasPrefix(strings.TrimSpace(line), "comment ") {
			all = append(all, strings.Fields(strings.ReplaceAll(line, ",", " "))...)
		}
	}
	slices.Sort(all)
	return all
}
