package conntrack

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"maps"
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

// kinds are connections of every kind that a key is built from, by name; all bear mark 1.
func kinds() map[string]timo.Flow {
	udp := func(n int, change func(*timo.Flow)) timo.Flow {
		f := made(UDP, timo.StatusSeenReply, fmt.Sprintf("10.1.0.%d:1000", n), "10.2.0.1:53", 600)
		change(&f)
		return f
	}
	icmp := func(proto uint8, src, dst string, request, answer uint8) timo.Flow {
		f := made(proto, timo.StatusSeenReply, src+":0", dst+":0", 600)
		f.TupleOrig.Proto = timo.ProtoTuple{Protocol: proto, ICMPID: 77, ICMPType: request}
		f.TupleReply.Proto = timo.ProtoTuple{Protocol: proto, ICMPID: 77, ICMPType: answer}
		return f
	}
	sctp := made(SCTP, timo.StatusSeenReply, "10.1.0.20:1000", "10.2.0.1:36412", 600)
	sctp.ProtoInfo.SCTP = &timo.ProtoInfoSCTP{State: 4, VTagOriginal: 1, VTagReply: 2}
	dccp := made(DCCP, timo.StatusSeenReply, "10.1.0.21:1000", "10.2.0.1:5000", 600)
	dccp.ProtoInfo.DCCP = &timo.ProtoInfoDCCP{State: 4, HandshakeSeq: 1}
	six := made(TCP, timo.StatusSeenReply|timo.StatusAssured, "[2001:db8::1]:1000", "[2001:db8::2]:443", 600)
	six.TupleReply.Zone = 8
	all := map[string]timo.Flow{
		"plain":                udp(1, func(*timo.Flow) {}),
		"zone":                 udp(2, func(f *timo.Flow) { f.Zone = 8 }),
		"zone of the original": udp(3, func(f *timo.Flow) { f.TupleOrig.Zone = 8 }),
		"zone of the reply":    udp(4, func(f *timo.Flow) { f.TupleReply.Zone = 8 }),
		"one tuple in zone 9":  udp(1, func(f *timo.Flow) { f.Zone = 9 }),
		"one tuple, original only": udp(1, func(f *timo.Flow) {
			f.TupleOrig.Zone = 10
			f.TupleReply.Proto.DestinationPort++ // that of the answers is in zone 0
		}),
		"the highest zone": udp(5, func(f *timo.Flow) { f.TupleReply.Zone = 65535 }),
		"labels":           udp(6, func(f *timo.Flow) { f.Labels = labelBytes(nlmsg.Native(), Labels{15: 0x80}) }),
		"translated both ways": udp(7, func(f *timo.Flow) {
			f.TupleReply.IP.SourceAddress, f.TupleReply.IP.DestinationAddress = netip.MustParseAddr("10.9.0.1"), netip.MustParseAddr("203.0.113.1")
			f.TupleReply.Zone = 8
		}),
		"expected":      udp(8, func(f *timo.Flow) { f.TupleMaster = made(TCP, 0, "10.1.0.9:1000", "10.2.0.1:80", 600).TupleOrig }),
		"tcp":           made(TCP, timo.StatusSeenReply|timo.StatusAssured, "10.1.0.9:1000", "10.2.0.1:80", 600),
		"tcp over IPv6": six,
		"sctp":          sctp,
		"dccp":          dccp,
		"udplite":       made(UDPLite, timo.StatusSeenReply, "10.1.0.22:1000", "10.2.0.1:5000", 600),
		"gre":           made(GRE, timo.StatusSeenReply, "10.1.0.23:17", "10.2.0.1:18", 600),
		"gre version 0": made(GRE, timo.StatusSeenReply, "10.1.0.24:0", "10.2.0.1:0", 600),
		"esp":           made(50, timo.StatusSeenReply, "10.1.0.25:0", "10.2.0.1:0", 600),
		"generic":       made(253, timo.StatusSeenReply, "[2001:db8::1]:0", "[2001:db8::2]:0", 600),
		"icmp":          icmp(ICMP, "10.1.0.26", "10.2.0.1", 8, 0),
		"icmpv6":        icmp(ICMPv6, "[2001:db8::1]", "[2001:db8::2]", 128, 129),
	}
	for name, f := range all {
		f.Mark = 1
		all[name] = f
	}
	return all
}

// everyKind is a namespace that has one connection of each kind and nothing else, which tells of none of them.
func everyKind(t *testing.T) (*testns.Namespace, *timo.Conn) {
	t.Helper()
	ns := testns.NewT(t, "kinds")
	require.NoError(t, ns.SetSysctl("net.netfilter.nf_conntrack_events", "0"))
	require.NoError(t, ns.SetSysctl("net.netfilter.nf_conntrack_acct", "1"))
	ctx := within(t, 30*time.Second)
	require.NoError(t, ns.NFT(ctx, `table inet t { chain c { type filter hook output priority filter; ct label set 1 counter; }; }`)) // room for labels: Linux 6.12 makes none for a match
	c := oracle(t, ns)
	all := kinds()
	for _, name := range slices.SortedFunc(maps.Keys(all), func(a, b string) int { return cmp.Compare(b, a) }) { // tcp before what it expected
		require.NoError(t, c.Create(all[name]), name)
	}
	return ns, c
}

// listed are the lines of `conntrack -L`, of both families.
func listed(t *testing.T, ctx context.Context, ns *testns.Namespace) (all []string) {
	t.Helper()
	for _, family := range []string{"ipv4", "ipv6"} {
		out, err := ns.Run(ctx, "", "conntrack", "-L", "-o", "id", "-f", family)
		require.NoError(t, err)
		all = append(all, lines(out)...)
	}
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}

// withoutTimeout is a line of `conntrack -L` without its third word: seconds, which tick between two listings.
func withoutTimeout(line string) string {
	words := strings.Fields(line)
	return strings.Join(slices.Delete(words, 2, 3), " ")
}

// A connection of every kind is found by its own key, in either direction, and evicted by it; `conntrack -L` has the same lines before, and none of
// it after.
func TestEvictEveryKind(t *testing.T) {
	ns, _ := everyKind(t)
	w, ctx := open(t, ns, Config{}), within(t, 60*time.Second)
	var have, want []string
	all, err := entries(ctx, w, Match{})
	require.NoError(t, err)
	for _, e := range all {
		have = append(have, withoutTimeout(e.String()))
	}
	for _, line := range listed(t, ctx, ns) {
		want = append(want, withoutTimeout(line))
	}
	require.ElementsMatch(t, want, have)
	require.Len(t, all, len(kinds()))
	assert.True(t, slices.ContainsFunc(all, func(e Entry) bool { return e.Status&Expected != 0 }), "one is expected")
	assert.True(t, slices.ContainsFunc(all, func(e Entry) bool { return e.Labels.Has(127) }), "one has a label")
	for i, e := range all {
		for word := range strings.FieldsSeq(e.Key().String()) {
			assert.Contains(t, strings.Fields(e.String()), word, "the key is told in the tool's words")
		}
		for _, key := range []Key{e.Key(), e.keyOfReply()} {
			got, err := w.source.Lookup(ctx, key)
			require.NoError(t, err, "%v", e)
			assert.Equal(t, e.Key(), got.Key(), "%v", e)
			other := key
			other.Zone, other.Orig.Zone = 77, 0
			_, err = w.source.Lookup(ctx, other)
			require.ErrorIs(t, err, fs.ErrNotExist, "%v", e)
		}
		gone, err := w.EvictEntries(ctx, []Entry{e})
		require.NoError(t, err)
		require.Equal(t, []Entry{e}, gone)
		require.Len(t, listed(t, ctx, ns), len(all)-i-1, "%v went, or another one", e)
		gone, err = w.EvictEntries(ctx, []Entry{e})
		require.NoError(t, err, "it is gone")
		require.Empty(t, gone)
	}
}

// keyOfReply names e's connection by the tuple of the other direction, which the kernel keeps apart: it finds it by either.
func (e *Entry) keyOfReply() Key {
	k := Key{ID: e.ID, Zone: e.Zone, Orig: e.Reply}
	if k.Orig.Zone = 0; e.Orig.Zone != 0 {
		k.Zone = 0
	}
	return k
}

// The whole table goes by an eviction that the kernel cannot filter, too, and by one that it can.
func TestEvictZones(t *testing.T) {
	for _, m := range []Match{{Zones: []uint16{8}}, {Zones: []uint16{8, 10}}, {Zones: []uint16{8}, Proto: UDP}, {}} {
		ns, _ := everyKind(t)
		w, ctx := open(t, ns, Config{}), within(t, 60*time.Second)
		all, err := entries(ctx, w, Match{})
		require.NoError(t, err)
		var stay []string
		for _, e := range all {
			if !m.Matches(&e) {
				stay = append(stay, e.Orig.String())
			}
		}
		victims, err := w.Evict(ctx, m, false)
		require.NoError(t, err)
		require.Len(t, victims, len(all)-len(stay), "%+v", m)
		require.Len(t, listed(t, ctx, ns), len(stay), "%+v", m)
		all, err = entries(ctx, w, Match{})
		require.NoError(t, err)
		var left []string
		for _, e := range all {
			left = append(left, e.Orig.String())
		}
		require.ElementsMatch(t, stay, left, "%+v", m)
	}
}

// A connection of every kind leaves the kernel's filter, so that each is looked up by its key, again and again: no end is told, and a Ledger books
// each once. Evicted, each ends once.
func TestChangesOfEveryKind(t *testing.T) {
	ns, c := everyKind(t)
	ctx := within(t, 60*time.Second)
	source, err := OpenSource(ctx, &Config{NetNS: ns.Path()})
	require.NoError(t, err)
	looked := 0
	stage := &stageSource{Source: source, inLookup: func() { looked++ }}
	w, err := Open(ctx, &Config{Source: stage, Poll: often, PollMost: often})
	require.NoError(t, err)
	defer w.Close()
	n := len(kinds())
	mirror, ledger := newMirror(), NewLedger(func(Entry) (int, bool) { return 0, true })
	var evicted []Entry
	stage.inWait = func() {
		if looked < 4*n || evicted != nil {
			return
		}
		all, err := entries(ctx, w, Match{})
		require.NoError(t, err)
		evicted, err = w.EvictEntries(ctx, all)
		require.NoError(t, err)
		require.Len(t, evicted, n)
	}
	for change, err := range w.Changes(ctx, Match{Mark: 1}) {
		require.NoError(t, err)
		require.NoError(t, mirror.apply(change))
		ledger.Add(change)
		switch {
		case change.Kind == Synced:
			require.Len(t, mirror.live, n)
			for name, f := range kinds() {
				if name == "expected" { // which neither can be set nor taken
					f.Status, f.TupleMaster = f.Status|timo.StatusExpected, timo.Tuple{}
				}
				f.Mark = 2
				require.NoError(t, c.Update(f), name)
			}
		case change.Kind == Destroyed && evicted == nil:
			require.Fail(t, "a false end", "%v", change)
		}
		if change.Kind == Destroyed && len(mirror.live) == 0 {
			break
		}
	}
	got, _ := ledger.Get(0)
	assert.EqualValues(t, n, got.Flows)
	assert.Zero(t, got.Live)
}
