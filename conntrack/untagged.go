package conntrack

import "slices"

// InFastPath is the Match of all connections that are in the fast path, or may be: those with [OFFLOAD], and with
// Config.LosesTags those that are Unknown too. Then the whole table is read for it.
func (w *Watcher) InFastPath() Match {
	if w.cfg.LosesTags {
		return Match{Paths: []Path{Software, Hardware, Unknown}}
	}
	return Match{Status: Offload}
}

// mayBeInFlowtable reports whether a connection without an offload bit may be in a flowtable all the same, on a kernel that loses
// the bit: `flow add` would have taken it (nft_flow_offload.c, nft_flow_offload_eval), and nothing proves that no flow is there.
//
// What proves it is CTA_USE: a flow holds a reference to its connection from its making until it is freed (nf_flow_table_core.c,
// flow_offload_alloc and flow_offload_free), and so does the table of connections. So one reference is no flow. More may be a flow, or
// a packet that is under way.
func (e *Entry) mayBeInFlowtable() bool {
	const never = SeqAdjust | NATClash | Dying | Template
	switch {
	case e.Path() == Software, e.Path() == Hardware, e.Status&never != 0, e.Helper != "", e.Use == 1:
		return false
	case e.Orig.Proto == TCP:
		return e.Status&SeenReply != 0 && e.State != TCPSynSent && e.State != TCPSynReceived && e.State != TCPSynSent2
	case e.Orig.Proto == UDP, e.Orig.Proto == GRE:
		return e.Status&SeenReply != 0 || e.Use > 1 // one without an answer is taken by a rule that does not ask for one
	}
	return false
}

// judge says of an entry that a reading or a lookup gave whether it is Untagged. One that was told as slow is so only if the look
// before said it too: a packet that is under way holds a connection for a moment.
func (f *follower) judge(fl *flow, e *Entry) {
	e.Untagged = f.cfg.LosesTags && e.mayBeInFlowtable()
	if fl == nil {
		return
	}
	first := e.Untagged && fl.path() == Slow && !fl.is(flowHeld)
	fl.set(flowHeld, first)
	if first {
		e.Untagged = false
	}
}

// dividesUntagged tells whether m looks for one of Slow and Unknown alone.
func (m *Match) dividesUntagged() bool {
	return slices.Contains(m.Paths, Slow) != slices.Contains(m.Paths, Unknown)
}

// undivided is m as a Source can answer it: to that, Unknown is Slow.
func (m *Match) undivided() Match {
	asked := *m
	if m.dividesUntagged() {
		asked.Paths = append(slices.Clone(m.Paths), Slow, Unknown)
	}
	return asked
}
