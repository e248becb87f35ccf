package conntrack

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tcpEntry is a connection as the first packet and its answer look.
func tcpEntry(src, dst, answersFrom, answersTo string) Entry {
	return Entry{
		Orig:  Tuple{Proto: TCP, Src: netip.MustParseAddrPort(src), Dst: netip.MustParseAddrPort(dst)},
		Reply: Tuple{Proto: TCP, Src: netip.MustParseAddrPort(answersFrom), Dst: netip.MustParseAddrPort(answersTo)},
	}
}

func TestByInside(t *testing.T) {
	byInside := ByInside(netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("2001:db8:1::/48"))
	for name, c := range map[string]struct {
		entry Entry
		want  string
	}{
		"from inside":                 {tcpEntry("192.168.1.2:1000", "203.0.113.9:80", "203.0.113.9:80", "192.168.1.2:1000"), "192.168.1.2 true"},
		"masqueraded":                 {tcpEntry("192.168.1.2:1000", "203.0.113.9:80", "203.0.113.9:80", "198.51.100.1:1000"), "192.168.1.2 true"},
		"anew, from the other side":   {tcpEntry("203.0.113.9:80", "192.168.1.2:1000", "192.168.1.2:1000", "203.0.113.9:80"), "192.168.1.2 false"},
		"forwarded to one inside":     {tcpEntry("203.0.113.9:1000", "198.51.100.1:8080", "192.168.1.3:80", "203.0.113.9:1000"), "192.168.1.3 false"},
		"between two inside":          {tcpEntry("192.168.1.2:1000", "192.168.2.3:80", "192.168.2.3:80", "192.168.1.2:1000"), "192.168.1.2 true"},
		"of the second prefix":        {tcpEntry("[2001:db8:1::5]:1000", "[2001:db8:2::1]:80", "[2001:db8:2::1]:80", "[2001:db8:1::5]:1000"), "2001:db8:1::5 true"},
		"none inside":                 {tcpEntry("203.0.113.9:1000", "198.51.100.1:80", "198.51.100.1:80", "203.0.113.9:1000"), ""},
		"to an address of the router": {tcpEntry("203.0.113.9:1000", "192.168.0.1:22", "198.51.100.1:22", "203.0.113.9:1000"), ""},
	} {
		end, ok := byInside(c.entry)
		got := ""
		if ok {
			got = fmt.Sprint(end.Addr, end.Began)
		}
		assert.Equal(t, c.want, got, name)
	}
	_, ok := ByInside()(tcpEntry("192.168.1.2:1", "192.168.1.3:2", "192.168.1.3:2", "192.168.1.2:1"))
	assert.False(t, ok, "nothing is inside of no prefix")
}

// What a subscriber sent and received is right whoever began.
func TestEndUpDown(t *testing.T) {
	a := account(1, 1, 10)
	up, down := End{Began: true}.UpDown(a)
	assert.Equal(t, [2]Counters{a.Sent, a.Received}, [2]Counters{up, down})
	up, down = End{}.UpDown(a)
	assert.Equal(t, [2]Counters{a.Received, a.Sent}, [2]Counters{up, down})
}

func TestLedgerKeysCanBeSaved(t *testing.T) {
	e := marked(1, 7, 4)
	e.Zone, e.Reply.Zone = 9, 9
	saveWith(t, ByInside(netip.MustParsePrefix("10.0.0.0/8")), e, End{e.Orig.Src.Addr(), true})
	saveWith(t, BySource, e, e.Orig.Src.Addr())
	saveWith(t, ByMark, e, 7)
	saveWith(t, ByZone, e, 9)
	_, ok := ByMark(flowNumber(1, slow, 1))
	assert.False(t, ok, "it has no mark")
}

func saveWith[K comparable](t *testing.T, key func(Entry) (K, bool), e Entry, want K) {
	t.Helper()
	l := NewLedger(key)
	l.Add(isNew(e))
	got, ok := again(t, l).Get(want)
	require.True(t, ok, "%v", want)
	assert.Equal(t, account(1, 1, 4), got)
}
