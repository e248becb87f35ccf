package conntrack

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	timo "github.com/ti-mo/conntrack"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
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

// Every field of every entry, also where the kernel filters.
func TestEntriesAgainstTiMo(t *testing.T) {
	r := mixture(t)
	w, other := open(t, r.NS, Config{}), oracle(t, r.NS)
	ctx := within(t, 60*time.Second)
	release, err := testns.Kernel()
	require.NoError(t, err)
	assured := timo.NewFilter().Status(timo.StatusAssured).StatusMask(uint32(timo.StatusAssured))
	for _, c := range []struct {
		match  Match
		filter timo.Filter
	}{
		{Match{Mark: 0x2a}, timo.NewFilter().Mark(0x2a).MarkMask(1<<32 - 1)},
		{Match{Mark: 0x20, Mask: 0xf0}, timo.NewFilter().Mark(0x20).MarkMask(0xf0)},
		{Match{Status: Assured}, assured},
		{Match{Status: Assured, Mark: 0x2a}, assured.Mark(0x2a).MarkMask(1<<32 - 1)},
		{Match{Zones: []uint16{7}}, timo.NewFilter().Zone(7)},
	} {
		if len(c.match.Zones) == 0 || release.AtLeast(6, 8) { // the kernel's filter by zone
			assert.NotEmpty(t, sameAsTiMo(t, ctx, w, c.match, func() ([]timo.Flow, error) { return other.DumpFilter(c.filter, nil) }))
		}
	}
	have := sameAsTiMo(t, ctx, w, Match{}, func() ([]timo.Flow, error) { return other.Dump(nil) })
	assert.True(t, slices.ContainsFunc(have, func(e Entry) bool { return e.Labels.Has(100) && !e.Labels.Has(99) }), "the mixture lacks labels")
	for what, m := range map[string]Match{
		"helper": {Proto: TCP, Status: Helper}, "mark": {Mark: 0x80000001}, "zone": {Zones: []uint16{7}}, "sctp": {Proto: SCTP}, "gre": {Proto: GRE},
		"icmp": {Tuple: Tuple{Proto: ICMP, ICMPType: 8}}, "icmpv6": {Tuple: Tuple{Proto: ICMPv6, ICMPType: 128}},
	} {
		assert.True(t, slices.ContainsFunc(have, func(e Entry) bool { return m.Matches(&e) }), "the mixture lacks %s", what)
	}
}

// sameAsTiMo reads entries both ways until they are the same: timeouts tick between the two now and then.
func sameAsTiMo(t *testing.T, ctx context.Context, w *Watcher, m Match, dump func() ([]timo.Flow, error)) (have []Entry) {
	t.Helper()
	var want []Entry
	err := testns.Poll(ctx, 10*time.Millisecond, func() (bool, error) {
		var err error
		if have, err = entries(ctx, w, m); err != nil {
			return false, err
		}
		flows, err := dump()
		want = want[:0]
		for _, f := range flows {
			want = append(want, fromTiMo(f))
		}
		sortEntries(have)
		sortEntries(want)
		return len(have) > 0 && slices.Equal(have, want), err
	})
	if err != nil {
		assert.Equal(t, want, have, "%+v", m)
	}
	require.NoError(t, err)
	return have
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
	copy(e.Labels[:], labelBytes(nlmsg.Native(), Labels(append(f.Labels, make([]byte, 16)...)[:16])))
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

// Every line of `conntrack -L -o id,extended` is what String makes of the same entry, behind the family.
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
			out, err := r.NS.Run(ctx, "", "conntrack", "-L", "-o", "id,extended", "-f", name)
			have, want = nil, lines(out)
			for _, e := range all {
				have = append(have, fmt.Sprintf("%-8s %d %v", name, family, e))
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
