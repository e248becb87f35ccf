package conntrack

// Counters count one direction of a connection. OK is false where the kernel gave none, which is not zero: accounting was off
// when the connection began (net.netfilter.nf_conntrack_acct), or the message was one that carries none (every
// notification but the last). Bytes are those of IP packets, headers included. It is a plain value.
//
// The counts of an offloaded connection move only if its flowtable has `counter`; a driver's are some seconds late.
type Counters struct {
	Packets, Bytes uint64
	OK             bool
}

// since is what was counted after before; all of it where before is unknown.
func (c Counters) since(before Counters) Counters {
	if !c.OK || !before.OK {
		return c
	}
	return Counters{Packets: c.Packets - before.Packets, Bytes: c.Bytes - before.Bytes, OK: true}
}

// beyond is what c shows more than other does, each number for itself.
func (c Counters) beyond(other Counters) Counters {
	low := c.atMost(other)
	return Counters{Packets: c.Packets - low.Packets, Bytes: c.Bytes - low.Bytes, OK: c.OK}
}

// atMost is the lesser of both, each number for itself.
func (c Counters) atMost(other Counters) Counters {
	return Counters{Packets: min(c.Packets, other.Packets), Bytes: min(c.Bytes, other.Bytes), OK: c.OK}
}

// behind tells whether c stands lower than before, which only a reset or another incarnation explains.
func (c Counters) behind(before Counters) bool {
	return c.OK && before.OK && (c.Packets < before.Packets || c.Bytes < before.Bytes)
}

// same tells whether both show the same numbers.
func (c Counters) same(other Counters) bool {
	return c.Packets == other.Packets && c.Bytes == other.Bytes
}

// A Delta is what both directions counted since the last report of the same connection; never negative. It is a plain value.
type Delta struct {
	Sent, Received Counters
}
