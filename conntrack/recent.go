package conntrack

// recent are keys of the last one or two pauses between readings.
type recent struct{ now, before map[packedKey]struct{} }

// More are not remembered.
const maxRecent = 1 << 16

func (r *recent) add(k packedKey) {
	if r.now == nil {
		r.now = map[packedKey]struct{}{}
	}
	if len(r.now) < maxRecent {
		r.now[k] = struct{}{}
	}
}

// take tells whether k is among them, and forgets it.
func (r *recent) take(k packedKey) bool {
	for _, keys := range []map[packedKey]struct{}{r.now, r.before} {
		if _, ok := keys[k]; ok {
			delete(keys, k)
			return true
		}
	}
	return false
}

// age forgets those from before.
func (r *recent) age() { r.now, r.before = nil, r.now }
