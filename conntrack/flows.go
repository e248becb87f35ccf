package conntrack

// flows are the connections that one call of Changes follows. How they are kept is known only here.
type flows struct {
	byKey map[Key]*flow
}

// A flow is what was last reported of one connection.
type flow struct {
	entry   Entry
	round   uint32 // of the last reading of the table that had it
	absent  bool   // the last reading did not have it and a lookup found nothing
	doubted bool   // counters went backwards in the last reading, see doubt
	doubt   Entry
}

func newFlows() flows { return flows{byKey: make(map[Key]*flow)} }

func (f *flows) get(e *Entry) *flow { return f.byKey[e.Key()] }

func (f *flows) add(e Entry, round uint32) { f.byKey[e.Key()] = &flow{entry: e, round: round} }

func (f *flows) remove(fl *flow) { delete(f.byKey, fl.entry.Key()) }

// unread lists the flows that the reading of this round did not have.
func (f *flows) unread(round uint32) []*flow {
	var list []*flow
	for _, fl := range f.byKey {
		if fl.round != round {
			list = append(list, fl)
		}
	}
	return list
}

// inDoubt lists the flows whose counters went backwards.
func (f *flows) inDoubt() []*flow {
	var list []*flow
	for _, fl := range f.byKey {
		if fl.doubted {
			list = append(list, fl)
		}
	}
	return list
}

// still tells whether fl is being followed.
func (f *flows) still(fl *flow) bool { return f.byKey[fl.entry.Key()] == fl }
