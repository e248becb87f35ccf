package testns

import (
	"fmt"
	"strings"

	"github.com/go-fastpath/fastpath/flowtable"
)

// A Path is the way that packets of a flow take through a router.
type Path string

// The paths. Unproven is what the evidence of a Measure may also say.
const (
	SlowPath     Path = "slow"     // through the forward hook, both directions
	SoftwarePath Path = "software" // past it, tagged OFFLOAD
	HardwarePath Path = "hardware" // past it, tagged HW_OFFLOAD
	Unproven     Path = "unproven"
)

// A Sample is what the router knows of a flow at one time. It is a plain value.
type Sample struct {
	Forwarded Forwarded
	Entry     Entry
	HasEntry  bool // conntrack has an entry of the flow
}

// An Evidence is what happened to a flow while round trips were driven over it. It is a plain value.
type Evidence struct {
	Flow          Tuple
	RoundTrips    int  // answered and verified between Before and After
	Talk          Talk // of those
	Before, After Sample
	Kernel        string // release
	Ruleset       string // of the router; filled in by what reports a failure
}

// Forwarded is how many packets the forward hook saw between the samples.
func (e Evidence) Forwarded() Forwarded { return e.After.Forwarded.Sub(e.Before.Forwarded) }

// Counted is how many packets conntrack counted in each direction between the samples; ok is false without counters, or when the
// entry is not the same any more.
func (e Evidence) Counted() (original, reply Counter, ok bool) {
	b, a := e.Before, e.After
	if e.whyNotCounted() != "" {
		return Counter{}, Counter{}, false
	}
	return a.Entry.Original.Sub(b.Entry.Original.Counter), a.Entry.Reply.Sub(b.Entry.Reply.Counter), true
}

func (e Evidence) whyNotCounted() string {
	b, a := e.Before, e.After
	switch {
	case !b.HasEntry || !a.HasEntry:
		return "conntrack has no entry of the flow"
	case b.Entry.ID != a.Entry.ID:
		return "conntrack replaced the entry meanwhile"
	case !a.Entry.Original.Counted || !a.Entry.Reply.Counted:
		return "the entry has no counters: nf_conntrack_acct was 0 when it was made"
	}
	return ""
}

// Bypassed reports that round trips came back verified while the forward hook saw none of their packets. It needs no counters in
// conntrack and so holds for a flowtable without `counter` too.
func (e Evidence) Bypassed() bool { return e.RoundTrips > 0 && e.Forwarded() == Forwarded{} }

// Path is the path that the evidence proves, and why it proves no other. A fast path needs all of: a forward counter that stood
// still, packet counts in conntrack that grew by at least one a round trip in both directions, and the tag; on kernels that can
// take the tag from a flow (flowtable's "tag-can-be-lost") the counters alone prove it, and a lost one is of the software path. The slow path
// needs the forward counter to grow as much in both directions.
func (e Evidence) Path() (Path, string) {
	n := uint64(e.RoundTrips)
	fwd := e.Forwarded()
	switch {
	case n == 0:
		return Unproven, "no round trip succeeded"
	case e.Bypassed():
		return e.fastPath()
	case fwd.Original.Packets >= n && fwd.Reply.Packets >= n:
		return SlowPath, fmt.Sprintf("the forward hook saw %d packets there and %d back in %d round trips",
			fwd.Original.Packets, fwd.Reply.Packets, n)
	}
	return Unproven, fmt.Sprintf("the forward hook saw some packets: %d there and %d back in %d round trips",
		fwd.Original.Packets, fwd.Reply.Packets, n)
}

// fastPath judges a flow that passes the forward hook by.
func (e Evidence) fastPath() (Path, string) {
	if why := e.whyNotCounted(); why != "" {
		return Unproven, "the forward hook saw nothing, but " + why
	}
	original, reply, _ := e.Counted()
	n := uint64(e.RoundTrips)
	counts := fmt.Sprintf("the forward hook saw nothing, conntrack counted %d packets there and %d back in %d round trips",
		original.Packets, reply.Packets, n)
	if original.Packets < n || reply.Packets < n {
		return Unproven, counts + ": too few (does the flowtable have `counter`?)"
	}
	switch e.After.Entry.Tag {
	case TagHWOffload:
		return HardwarePath, counts
	case TagOffload:
		return SoftwarePath, counts
	}
	if e.Kernel != "" && flowtable.KernelOf(e.Kernel).HasQuirk("tag-can-be-lost") {
		return SoftwarePath, counts + "; the kernel took the tag"
	}
	return Unproven, fmt.Sprintf("%s, but the tag is %q", counts, e.After.Entry.Tag)
}

// String is all of it, on several lines.
func (e Evidence) String() string {
	var b strings.Builder
	path, why := e.Path()
	fmt.Fprintf(&b, "flow:       %v\nkernel:     %s\npath:       %s: %s\n", e.Flow, e.Kernel, path, why)
	fmt.Fprintf(&b, "traffic:    %d round trips, %d resent, server saw %v, TTL %d\n",
		e.RoundTrips, e.Talk.Resent, e.Talk.Peer, e.Talk.TTL)
	for _, s := range []struct {
		when string
		Sample
	}{{"before", e.Before}, {"after", e.After}} {
		entry := "none"
		if s.HasEntry {
			entry = fmt.Sprintf("tag %q: %s", s.Entry.Tag, s.Entry.Text)
		}
		fmt.Fprintf(&b, "%-12sforward hook: original %+v, reply %+v\n%-12sconntrack: %s\n",
			s.when+":", s.Forwarded.Original, s.Forwarded.Reply, "", entry)
	}
	if e.Ruleset != "" {
		fmt.Fprintf(&b, "ruleset:\n%s", e.Ruleset)
	}
	return b.String()
}
