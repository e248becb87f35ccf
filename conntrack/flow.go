package conntrack

import "time"

// A flow is what was last reported of one connection.
type flow struct {
	node
	reply          packedTuple
	sent, received [2]uint64 // packets, bytes
	start          int64     // in nanoseconds since 1970; 0 is unknown
	labels         Labels
	status         Status
	mark           uint32
	use            uint32
	timeout        uint32 // in seconds
	round          uint32 // of the last reading of the table that had it
	state          State
	helper         uint16 // see flows.helpers
	flags          flowFlags
}

type flowFlags uint8

const (
	flowSentOK     flowFlags = 1 << iota // the counters are known
	flowReceivedOK                       //
	flowHasTimeout                       //
	flowAbsent                           // the last reading did not have it and a lookup found nothing
	flowParked                           // the kernel's filter leaves it out, so readings look it up only now and then
	flowUntagged                         // see Entry.Untagged
	flowHeld                             // it was told as slow, and the reading before held that it may be in a flowtable
	flowDoubted                          // its counters went backwards in the last reading: see follower.doubts
)

func (fl *flow) is(flag flowFlags) bool { return fl.flags&flag != 0 }

func (fl *flow) set(flag flowFlags, on bool) {
	if on {
		fl.flags |= flag
	} else {
		fl.flags &^= flag
	}
}

func (fl *flow) path() Path { return pathOf(fl.status, fl.is(flowUntagged)) }

// counters are those of both directions.
func (fl *flow) counters() (sent, received Counters) {
	return Counters{fl.sent[0], fl.sent[1], fl.is(flowSentOK)}, Counters{fl.received[0], fl.received[1], fl.is(flowReceivedOK)}
}

// store keeps what can change in the life of a connection; helper is what flows.helperNumber says of e's.
func (fl *flow) store(e *Entry, helper uint16) {
	fl.sent, fl.received = [2]uint64{e.Sent.Packets, e.Sent.Bytes}, [2]uint64{e.Received.Packets, e.Received.Bytes}
	fl.set(flowSentOK, e.Sent.OK)
	fl.set(flowReceivedOK, e.Received.OK)
	fl.set(flowHasTimeout, e.HasTimeout)
	fl.set(flowUntagged, e.Untagged)
	fl.start = 0
	if !e.Start.IsZero() {
		fl.start = e.Start.UnixNano()
	}
	fl.state, fl.labels, fl.status, fl.mark, fl.use, fl.helper = e.State, e.Labels, e.Status, e.Mark, e.Use, helper
	fl.timeout = uint32(e.Timeout / time.Second)
}
