package conntrack

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// masqueraded is a flow behind masquerade and a port forward, on the software path.
func masqueraded() Entry {
	return Entry{
		ID: 7, Mark: 42, Status: Confirmed | SeenReply | Assured | SrcNAT | DstNAT | Offload,
		Orig:  Tuple{Src: netip.MustParseAddrPort("192.168.1.2:1025"), Dst: netip.MustParseAddrPort("203.0.113.1:8443"), Proto: TCP},
		Reply: Tuple{Src: netip.MustParseAddrPort("192.168.2.20:443"), Dst: netip.MustParseAddrPort("203.0.113.1:1025"), Proto: TCP},
		Sent:  Counters{3, 180, true}, Received: Counters{2, 120, true},
	}
}

func TestEntryNAT(t *testing.T) {
	e := masqueraded()
	to, ok := e.SNAT()
	assert.True(t, ok)
	assert.Equal(t, "203.0.113.1:1025", to.String())
	to, ok = e.DNAT()
	assert.True(t, ok)
	assert.Equal(t, "192.168.2.20:443", to.String())

	plain := flowNumber(1, slow, 1)
	_, ok = plain.SNAT()
	assert.False(t, ok)
	_, ok = plain.DNAT()
	assert.False(t, ok)
}

func TestEntryJSON(t *testing.T) {
	e := masqueraded()
	b, err := json.Marshal(e)
	require.NoError(t, err)
	assert.JSONEq(t, `{
		"id": 7, "path": "software", "mark": 42, "status": "SEEN_REPLY,ASSURED,CONFIRMED,SRC_NAT,DST_NAT,OFFLOAD",
		"orig": {"src": "192.168.1.2:1025", "dst": "203.0.113.1:8443", "proto": 6},
		"reply": {"src": "192.168.2.20:443", "dst": "203.0.113.1:1025", "proto": 6},
		"snat": "203.0.113.1:1025", "dnat": "192.168.2.20:443",
		"sent": {"packets": 3, "bytes": 180}, "received": {"packets": 2, "bytes": 120}
	}`, string(b))

	e = flowNumber(1, slow, 0)
	e = e.uncounted()
	e.Timeout, e.HasTimeout = 0, true
	e.State, e.Zone, e.Helper, e.Start = 3, 9, "ftp", time.Unix(1, 0).UTC()
	b, err = json.Marshal(e)
	require.NoError(t, err)
	var back map[string]any
	require.NoError(t, json.Unmarshal(b, &back))
	assert.NotContains(t, back, "sent", "unknown counters are left out, zero is not")
	assert.EqualValues(t, 0, back["timeout"])
	assert.Equal(t, "ESTABLISHED", back["state"])
	assert.EqualValues(t, 9, back["zone"])
	assert.Equal(t, "1970-01-01T00:00:01Z", back["start"])
	assert.NotContains(t, back, "stop")
	assert.NotContains(t, back, "event")
}

// A zone stands where it holds; the key has that of the original direction.
func TestEntryZones(t *testing.T) {
	for _, c := range []struct {
		both, orig, reply, key uint16
		text, json, name       string
	}{
		{8, 0, 0, 8, " mark=0 zone=8 id=", `"zone":8,"path":"slow","orig":{"src":"10.0.0.1:1024","dst":"192.0.2.1:53","proto":17},`, " dport=53 zone=8 id="},
		{8, 8, 0, 8, " dport=53 zone-orig=8 packets=", `"dst":"192.0.2.1:53","proto":17,"zone":8},"reply"`, " dport=53 zone-orig=8 id="},
		{8, 0, 8, 0, " dport=1024 zone-reply=8 packets=", `"dst":"10.0.0.1:1024","proto":17,"zone":8},"status"`, " dport=53 id="},
	} {
		e := flowNumber(1, slow, 1)
		e.Zone, e.Orig.Zone, e.Reply.Zone = c.both, c.orig, c.reply
		assert.Contains(t, e.String(), c.text)
		b, err := json.Marshal(e)
		require.NoError(t, err)
		assert.Contains(t, string(b), c.json)
		assert.Contains(t, string(b), `"zone":8,"path"`)
		assert.Equal(t, c.key, e.Key().Zone)
		assert.Equal(t, fmt.Sprint("src=10.0.0.1 dst=192.0.2.1 sport=1024", c.name, e.ID), e.Key().String())
		f := newFlows(usualLimits())
		k := e.Key()
		p := packKey(&k)
		assert.Equal(t, e, f.entry(f.add(&p, &e, 1)))
	}
}

func TestStatusAndPath(t *testing.T) {
	assert.Equal(t, "ASSURED,HW_OFFLOAD,0x30000", (Assured | HWOffload | 3<<16).String())
	assert.Empty(t, Status(0).String())
	for status, path := range map[Status]Path{
		Assured: Slow, Assured | Offload: Software, Offload | HWOffload: Hardware,
		HWOffload: Hardware, // leaving: conntrack(8) says HW_OFFLOAD too
	} {
		assert.Equal(t, path, status.Path(), status.String())
	}
	for _, p := range []Path{Slow, Software, Hardware} {
		text, err := p.MarshalText()
		require.NoError(t, err)
		var back Path
		require.NoError(t, back.UnmarshalText(text))
		assert.Equal(t, p, back)
	}
	var p Path
	assert.ErrorContains(t, p.UnmarshalText([]byte("fast")), "slow, software, hardware or unknown")
	assert.Equal(t, "path(9)", Path(9).String())
	assert.Equal(t, "state(99)", StateOf(TCP, 99).String())
	assert.Equal(t, "kind(0)", Kind(0).String())
}

func TestTupleReversed(t *testing.T) {
	for _, c := range allCaptured(t) {
		e, err := Decode(binary.LittleEndian, c.data)
		require.NoError(t, err)
		back := e.Orig.Reversed().Reversed()
		back.Zone = e.Orig.Zone
		assert.Equal(t, e.Orig, back)
		e.Reply.Zone = 0
		_, snat := e.SNAT()
		_, dnat := e.DNAT()
		if !snat && !dnat {
			assert.Equal(t, e.Reply, e.Orig.Reversed(), c.line)
		}
	}
}
