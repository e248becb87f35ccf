package conntrack

import (
	"cmp"
	"math"
	"time"
)

// flows are the connections that one call of Changes follows, in 184 bytes each.
type flows struct {
	table[flow, *flow]
	helpers []string // by flow.helper; the first is ""
	keep    int      // chunks that are kept when nothing is followed
}

func newFlows(l limits) flows {
	return flows{table: newTable[flow](l.chunk), helpers: []string{""}, keep: l.keepChunks}
}

// add follows e, which is not followed yet.
func (f *flows) add(k *packedKey, e *Entry, round uint32) *flow {
	fl := f.table.add(k)
	fl.reply, fl.round = packTuple(&e.Reply), round
	fl.store(e, f.helperNumber(e.Helper, 0))
	return fl
}

// remove forgets a flow. When none is left of many, so is the memory.
func (f *flows) remove(fl *flow) {
	f.table.remove(fl)
	if f.count == 0 && len(f.chunks) > f.keep {
		f.empty()
	}
}

// entry is what was last reported of fl.
func (f *flows) entry(fl *flow) Entry {
	k, reply := fl.key.key(), fl.reply.tuple()
	e := Entry{
		ID: k.ID, Zone: cmp.Or(k.Zone, reply.Zone), Orig: k.Orig, Reply: reply, Status: fl.status, Mark: fl.mark, Use: fl.use, State: fl.state, Labels: fl.labels,
		Helper: f.helpers[fl.helper], Timeout: time.Duration(fl.timeout) * time.Second, HasTimeout: fl.is(flowHasTimeout), Untagged: fl.is(flowUntagged),
	}
	e.Sent, e.Received = fl.counters()
	if fl.start != 0 {
		e.Start = time.Unix(0, fl.start).UTC()
	}
	return e
}

// store keeps what e tells of fl.
func (f *flows) store(fl *flow, e *Entry) { fl.store(e, f.helperNumber(e.Helper, fl.helper)) }

// helperNumber is the place of a helper's name, which probably is the one at guess. Kernels have a dozen of them; what is beyond any reason
// is forgotten.
func (f *flows) helperNumber(name string, guess uint16) uint16 {
	if f.helpers[guess] == name {
		return guess
	}
	for i, known := range f.helpers {
		if known == name {
			return uint16(i)
		}
	}
	if len(f.helpers) > math.MaxUint16 {
		return 0
	}
	f.helpers = append(f.helpers, name)
	return uint16(len(f.helpers) - 1)
}
