package ruleset

import "slices"

// A match is a rule that is on both sides, by its places.
type match struct{ have, want int }

// inOrder finds rules with the same key in the same order on both sides. Key 0 matches nothing. It keeps as many as it can
// where no key is there twice: a longest increasing subsequence.
func inOrder(have, want []digest) []match {
	var head, tail []match
	for len(head) < min(len(have), len(want)) && same(have, want, len(head), len(head)) {
		head = append(head, match{len(head), len(head)})
	}
	h, w := len(have), len(want)
	for h > len(head) && w > len(head) && same(have, want, h-1, w-1) {
		h, w = h-1, w-1
		tail = append(tail, match{h, w})
	}
	slices.Reverse(tail)
	middle := longest(candidates(have[:h], want[:w], len(head)))
	return slices.Concat(head, middle, tail)
}

func same(have, want []digest, h, w int) bool { return have[h] == want[w] && have[h] != 0 }

// candidates pairs equal keys from a place on: the first of one side with the first of the other, and so on.
func candidates(have, want []digest, from int) []match {
	places := map[digest][]int{}
	for i := from; i < len(have); i++ {
		if have[i] != 0 {
			places[have[i]] = append(places[have[i]], i)
		}
	}
	var list []match
	for j := from; j < len(want); j++ {
		if at := places[want[j]]; len(at) > 0 {
			list = append(list, match{at[0], j})
			places[want[j]] = at[1:]
		}
	}
	return list
}

// longest picks as many of the matches as possible so that their places rise on both sides (patience sorting).
func longest(list []match) []match {
	ends := []int{} // of the best sequence of each length: the place of its last match in the list
	previous := make([]int, len(list))
	for i, m := range list {
		n, _ := slices.BinarySearchFunc(ends, m, func(end int, m match) int { return list[end].have - m.have })
		previous[i] = -1
		if n > 0 {
			previous[i] = ends[n-1]
		}
		if n == len(ends) {
			ends = append(ends, i)
		} else {
			ends[n] = i
		}
	}
	picked := make([]match, len(ends))
	if len(ends) == 0 {
		return picked
	}
	i := ends[len(ends)-1]
	for n := len(ends) - 1; n >= 0; n-- {
		picked[n], i = list[i], previous[i]
	}
	return picked
}
