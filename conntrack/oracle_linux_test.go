package conntrack

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	timo "github.com/ti-mo/conntrack"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// entries reads a whole stream.
func entries(ctx context.Context, w *Watcher, m Match) ([]Entry, error) {
	var all []Entry
	for e, err := range w.Entries(ctx, m) {
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

func TestEntriesAgainstTiMo(t *testing.T) {
	r := mixture(t)
	w, other := open(t, r.NS, Config{}), oracle(t, r.NS)
	ctx := within(t, 30*time.Second)
	var have, want []Entry
	// Timeouts tick between the two dumps now and then.
	err := testns.Poll(ctx, 10*time.Millisecond, func() (bool, error) {
		var err error
		if have, err = entries(ctx, w, Match{}); err != nil {
			return false, err
		}
		flows, err := other.Dump(nil)
		want = want[:0]
		for _, f := range flows {
			want = append(want, fromTiMo(f))
		}
		sortEntries(have)
		sortEntries(want)
		return len(have) > 0 && slices.Equal(have, want), err
	})
	if err != nil {
		assert.Equal(t, want, have)
	}
	require.NoError(t, err)
	for what, m := range map[string]Match{
		"helper": {Proto: TCP, Status: Helper}, "mark": {Mark: 0x80000001}, "zone": {Zones: []uint16{7}}, "sctp": {Proto: SCTP}, "gre": {Proto: GRE},
		"icmp": {Tuple: Tuple{Proto: ICMP, ICMPType: 8}}, "icmpv6": {Tuple: Tuple{Proto: ICMPv6, ICMPType: 128}},
	} {
		assert.True(t, slices.ContainsFunc(have, func(e Entry) bool { return m.Matches(&e) }), "the mixture lacks %s", what)
	}
}

func sortEntries(all []Entry) {
	slices.SortFunc(all, func(a, b Entry) int { return cmp.Compare(a.String(), b.String()) })
}

func fromTiMo(f timo.Flow) Entry {
	e := Entry{
		Orig: tupleFromTiMo(f.TupleOrig), Reply: tupleFromTiMo(f.TupleReply),
		Timeout: time.Duration(f.Timeout) * time.Second, HasTimeout: f.Timeout != 0, Helper: f.Helper.Name,
		ID: f.ID, Status: Status(f.Status), Mark: f.Mark, Use: f.Use, Zone: f.Zone,
	}
	if f.CountersOrig.Packets+f.CountersReply.Packets > 0 {
		e.Sent = Counters{f.CountersOrig.Packets, f.CountersOrig.Bytes, true}
		e.Received = Counters{f.CountersReply.Packets, f.CountersReply.Bytes, true}
	}
	if !e.Sent.OK { // ti-mo does not tell zero from absent; those made on request have counters of zero
		e.Sent.OK, e.Received.OK = true, true
	}
	switch info := f.ProtoInfo; {
	case info.TCP != nil:
		e.State = StateOf(TCP, info.TCP.State)
	case info.SCTP != nil:
		e.State = StateOf(SCTP, info.SCTP.State)
	case info.DCCP != nil:
		e.State = StateOf(DCCP, info.DCCP.State)
	}
	copy(e.Labels[:], f.Labels)
	if !f.Timestamp.Start.IsZero() {
		e.Start = f.Timestamp.Start.UTC()
	}
	return e
}

func tupleFromTiMo(t timo.Tuple) Tuple {
	return Tuple{
		Src: netip.AddrPortFrom(t.IP.SourceAddress, t.Proto.SourcePort), Dst: netip.AddrPortFrom(t.IP.DestinationAddress, t.Proto.DestinationPort),
		Proto: t.Proto.Protocol, ICMPType: t.Proto.ICMPType, ICMPCode: t.Proto.ICMPCode, ICMPID: t.Proto.ICMPID, Zone: t.Zone,
	}
}

// Every line of `conntrack -L -o id` is what String makes of the same entry.
func TestEntriesAgainstConntrackTool(t *testing.T) {
	r := mixture(t)
	w := open(t, r.NS, Config{})
	ctx := within(t, 30*time.Second)
	for family, name := range map[Family]string{IPv4: "ipv4", IPv6: "ipv6"} {
		var have, want []string
		err := testns.Poll(ctx, 10*time.Millisecond, func() (bool, error) {
			all, err := entries(ctx, w, Match{Family: family})
			if err != nil {
				return false, err
			}
			out, err := r.NS.Run(ctx, "", "conntrack", "-L", "-o", "id", "-f", name)
			have, want = nil, lines(out)
			for _, e := range all {
				have = append(have, e.String())
			}
			slices.Sort(have)
			return len(have) > 4 && slices.Equal(have, want), err
		})
		require.NoError(t, err, "ours:\n%s\nconntrack's:\n%s", strings.Join(have, "\n"), strings.Join(want, "\n"))
	}
}

// lines are those of a tool's output that hold entries, sorted. The tool prints the age, which String does not.
func lines(out string) []string {
	var all []string
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if i := strings.Index(line, "delta-time="); i >= 0 {
			rest := line[i:]
			line = line[:i] + rest[strings.IndexByte(rest, ' ')+1:]
		}
		all = append(all, line)
	}
	slices.Sort(all)
	return all
}
