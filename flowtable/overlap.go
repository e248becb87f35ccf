package flowtable

// FirstOverlaps gives for each selector the index of the first one before it that could pick the same device, -1 if there is
// none. The kernel refuses such a pair in one flowtable, and in two flowtables of one table, with EEXIST
// (net/netfilter/nf_tables_api.c). Names and prefixes without exceptions alone can be judged without a machine: what the others
// pick is known when they are bound (BindTable). Its time grows with the length of the list, not with its square.
func FirstOverlaps(all []Selector) []int {
	names, prefixes, beginnings := map[string]int{}, map[string]int{}, map[string]int{}
	first := make([]int, len(all))
	for i, s := range all {
		first[i] = -1
		if !s.isPlain() {
			continue
		}
		text, known := s.Name, names
		if s.Prefix != "" {
			text, known = s.Prefix, beginnings
		}
		first[i] = earliest(first[i], known, text)
		for n := range min(len(text), MaxDevice) {
			first[i] = earliest(first[i], prefixes, text[:n+1])
			note(beginnings, text[:n+1], i)
		}
		if s.Prefix != "" {
			note(prefixes, text, i)
		} else {
			note(names, text, i)
		}
	}
	return first
}

// earliest is the smaller of two indexes, one of them in a map; -1 is none.
func earliest(index int, in map[string]int, key string) int {
	if i, ok := in[key]; ok && (index < 0 || i < index) {
		return i
	}
	return index
}

// note keeps the first index of a key.
func note(in map[string]int, key string, index int) {
	if _, taken := in[key]; !taken {
		in[key] = index
	}
}
