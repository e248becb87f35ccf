package testns

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sampleOf is a sample with equal counts in both directions.
func sampleOf(forwarded, counted uint64, tag string) Sample {
	c := EntrySide{Counter: Counter{Packets: counted}, Counted: true}
	return Sample{
		Forwarded: Forwarded{Original: Counter{Packets: forwarded}, Reply: Counter{Packets: forwarded}},
		Entry:     Entry{ID: 1, Original: c, Reply: c, Tag: tag},
		HasEntry:  true,
	}
}

func TestEvidenceJudges(t *testing.T) {
	before := sampleOf(5, 5, TagAssured)
	half := sampleOf(5, 25, TagOffload)
	half.Forwarded.Reply.Packets = 25
	oneWay := sampleOf(5, 25, TagOffload)
	oneWay.Entry.Reply.Packets = 5
	replaced := sampleOf(5, 25, TagOffload)
	replaced.Entry.ID = 2
	uncounted := sampleOf(5, 0, TagOffload)
	uncounted.Entry.Reply.Counted = false
	const loses, keeps = "7.3.4+deb13-amd64", "7.2.13+deb14-amd64"
	for name, test := range map[string]struct {
		after      Sample
		roundTrips int
		want       Path
		why        string
		bypassed   bool
		kernel     string
	}{
		"software":                        {sampleOf(5, 25, TagOffload), 20, SoftwarePath, "saw nothing", true, keeps},
		"hardware":                        {sampleOf(5, 25, TagHWOffload), 20, HardwarePath, "saw nothing", true, keeps},
		"slow":                            {sampleOf(25, 25, TagAssured), 20, SlowPath, "saw 20 packets", false, keeps},
		"slow, tag or not":                {sampleOf(25, 25, TagOffload), 20, SlowPath, "saw 20 packets", false, keeps},
		"frozen without counter":          {sampleOf(5, 5, TagOffload), 20, Unproven, "`counter`", true, keeps},
		"no tag":                          {sampleOf(5, 25, TagAssured), 20, Unproven, "tag", true, keeps},
		"the kernel took the tag":         {sampleOf(5, 25, TagAssured), 20, SoftwarePath, "took the tag", true, loses},
		"no tag, and counted by the hook": {sampleOf(25, 25, TagAssured), 20, SlowPath, "saw 20 packets", false, loses},
		"on its way to the fast path":     {sampleOf(7, 25, TagOffload), 20, Unproven, "some packets", false, keeps},
		"one direction is slow":           {half, 20, Unproven, "0 there and 20 back", false, keeps},
		"one direction is frozen":         {oneWay, 20, Unproven, "too few", true, keeps},
		"no traffic":                      {sampleOf(5, 5, TagOffload), 0, Unproven, "no round trip", false, keeps},
		"replaced":                        {replaced, 20, Unproven, "replaced", true, keeps},
		"without accounting":              {uncounted, 20, Unproven, "nf_conntrack_acct", true, keeps},
		"no entry":                        {Sample{Forwarded: before.Forwarded}, 20, Unproven, "no entry", true, keeps},
	} {
		t.Run(name, func(t *testing.T) {
			e := Evidence{RoundTrips: test.roundTrips, Before: before, After: test.after, Kernel: test.kernel}
			path, why := e.Path()
			assert.Equal(t, test.want, path)
			assert.Contains(t, why, test.why)
			assert.Equal(t, test.bypassed, e.Bypassed())
			assert.Contains(t, e.String(), why)
		})
	}
}

func TestParseEntries(t *testing.T) {
	const text = `ipv4     2 tcp      6 src=192.168.1.2 dst=203.0.113.2 sport=40000 dport=7007 packets=24 bytes=3256 src=203.0.113.2 dst=203.0.113.1 sport=7007 dport=40000 packets=23 bytes=3204 [OFFLOAD] mark=7 use=2 id=2896754305
ipv6     10 tcp      6 431999 ESTABLISHED src=2001:db8:1::2 dst=2001:db8:2::2 sport=1 dport=2 src=2001:db8:2::2 dst=2001:db8:1::2 sport=2 dport=1 [ASSURED] mark=0 use=1 id=3
ipv4     2 udp      17 29 src=10.0.0.1 dst=10.0.0.2 sport=5 dport=6 packets=1 bytes=68 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=6 dport=5 packets=0 bytes=0 mark=0 delta-time=3 use=1 id=4

ipv4     2 icmp     1 29 src=10.0.0.1 dst=10.0.0.2 type=8 code=0 id=77 src=10.0.0.2 dst=10.0.0.1 type=0 code=0 id=77 [HW_OFFLOAD] mark=0 use=1 id=5
`
	entries, err := ParseEntries(text)
	require.NoError(t, err)
	require.Len(t, entries, 4)

	e := entries[0]
	assert.Equal(t, "192.168.1.2:40000", e.Original.Source.String())
	assert.Equal(t, "203.0.113.1:40000", e.Reply.Destination.String())
	assert.Equal(t, Counter{24, 3256}, e.Original.Counter)
	assert.Equal(t, Counter{23, 3204}, e.Reply.Counter)
	assert.Equal(t, uint32(2896754305), e.ID)
	assert.Equal(t, uint32(7), e.Mark)
	assert.Equal(t, TagOffload, e.Tag)
	assert.True(t, e.Offloaded())
	assert.False(t, e.HasTimeout)
	assert.Empty(t, e.State)

	e = entries[1]
	assert.Equal(t, "[2001:db8:1::2]:1", e.Original.Source.String())
	assert.Equal(t, "ESTABLISHED", e.State)
	assert.Equal(t, 431999, e.Timeout)
	assert.True(t, e.HasTimeout)
	assert.False(t, e.Original.Counted)
	assert.False(t, e.Offloaded())

	assert.True(t, entries[2].Unreplied)
	assert.True(t, entries[2].Reply.Counted)
	assert.Zero(t, entries[2].Reply.Packets)
	assert.Equal(t, TagHWOffload, entries[3].Tag)
	assert.Equal(t, uint32(5), entries[3].ID)

	for _, bad := range []string{"nonsense", "ipv4 2 tcp 6 5 src=x dst=10.0.0.1", "ipv4 2 tcp 6 5 src=10.0.0.1 dst=10.0.0.2 sport=1"} {
		_, err := ParseEntries(bad)
		require.ErrorContains(t, err, bad)
	}
}

func TestConntrackWithoutEntry(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	n := NewT(t, "a")
	tuple := Tuple{"udp", addrPortOf(IPv4.pick("10.0.0.1", ""), 1), addrPortOf(IPv4.pick("10.0.0.2", ""), 2)}
	_, err := Conntrack(t.Context(), n, tuple)
	require.ErrorIs(t, err, ErrNoEntry)
	require.ErrorContains(t, err, tuple.String())
}

func TestParseCounters(t *testing.T) {
	counters, err := parseCounters([]byte(`{"nftables": [{"metainfo": {"version": "9"}}, {"chain": {"name": "watch"}},
		{"rule": {"comment": "0 reply", "expr": [{"match": {"op": "=="}}, {"new thing": [1]}, "odd", {"counter": {"packets": 3, "bytes": 4}}]}},
		{"rule": {"expr": [{"counter": null}]}}]}`))
	require.NoError(t, err)
	assert.Equal(t, map[string]Counter{"0 reply": {3, 4}}, counters)
	_, err = parseCounters([]byte("Error: no such table"))
	require.Error(t, err)
}
