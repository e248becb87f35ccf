package kernel

import (
	"net/netip"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// encodeNeighbour encodes the data of RTM_NEWNEIGH: of the link with index 3.
func encodeNeighbour(family byte, addr, mac []byte) []byte {
	o := nlmsg.Native()
	b := nlmsg.NewBuilder(o, nil)
	header := []byte{0: family, neighbourHeader - 1: 0}
	o.PutUint32(header[4:], 3)
	b.Raw(header)
	if addr != nil {
		b.Data(unix.NDA_DST, addr)
	}
	if mac != nil {
		b.Data(unix.NDA_LLADDR, mac)
	}
	return b.Bytes()
}

func TestParseNeighbour(t *testing.T) {
	four, six, mac := []byte{192, 0, 2, 9}, netip.MustParseAddr("2001:db8::9").AsSlice(), []byte{2, 0, 0, 0, 0, 9}
	for name, c := range map[string]struct {
		data  []byte
		want  neighbour
		place string
	}{
		"IPv4":         {encodeNeighbour(unix.AF_INET, four, mac), neighbour{family: unix.AF_INET, link: 3, addr: netip.MustParseAddr("192.0.2.9")}, "02:00:00:00:00:09"},
		"IPv6, silent": {encodeNeighbour(unix.AF_INET6, six, nil), neighbour{family: unix.AF_INET6, link: 3, addr: netip.MustParseAddr("2001:db8::9")}, ""},
		"a station":    {encodeNeighbour(unix.AF_BRIDGE, nil, mac), neighbour{family: unix.AF_BRIDGE, mac: "02:00:00:00:00:09"}, "3"},
		"MCTP":         {encodeNeighbour(45, []byte{8}, mac), neighbour{}, ""},
	} {
		n, place, err := parseNeighbour(nlmsg.Native(), c.data)
		require.NoError(t, err, name)
		assert.Equal(t, c.want, n, name)
		assert.Equal(t, c.place, place, name)
	}
}

// Who has no address is nobody's neighbour: neither a stream of events nor a survey takes it.
func TestNeighbourWithoutAddress(t *testing.T) {
	four, mac := []byte{192, 0, 2, 9}, []byte{2, 0, 0, 0, 0, 9}
	for name, data := range map[string][]byte{
		"IPv4": encodeNeighbour(unix.AF_INET, nil, mac), "IPv6": encodeNeighbour(unix.AF_INET6, nil, nil),
		"of another family": encodeNeighbour(unix.AF_INET6, four, mac), "of three bytes": encodeNeighbour(unix.AF_INET, four[:3], mac),
		"a station": encodeNeighbour(unix.AF_BRIDGE, four, nil), "a long address": encodeNeighbour(unix.AF_BRIDGE, nil, make([]byte, maxAddress+1)),
	} {
		_, news, err := newLinkWatch().read(nlmsg.Message{Type: unix.RTM_NEWNEIGH, Data: data})
		assert.False(t, news, name)
		assert.ErrorIs(t, err, nlmsg.ErrMalformed, name)
		s := newSurveyor()
		assert.ErrorIs(t, s.addNeighbour(nlmsg.Native(), data), nlmsg.ErrMalformed, name)
		assert.Empty(t, s.done().Neighbours, name)
	}
	_, news, err := newLinkWatch().read(nlmsg.Message{Type: unix.RTM_NEWNEIGH, Data: encodeNeighbour(45, []byte{8}, mac)})
	assert.NoError(t, err)
	assert.False(t, news, "of a family that no flow has")
}

// Who owns the namespace can announce any number of neighbours and links: as many are remembered as there is room for.
func TestAnnouncedWithoutEnd(t *testing.T) {
	w := newLinkWatch()
	station := func(n int) Event {
		e, news, err := w.read(nlmsg.Message{Type: unix.RTM_NEWNEIGH, Data: encodeNeighbour(unix.AF_BRIDGE, nil, []byte{2, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})})
		require.NoError(t, err)
		require.True(t, news)
		return e
	}
	link := func(n int) {
		data := encodeLink(func(_ nlmsg.Order, b *nlmsg.Builder) { b.String(unix.IFLA_IFNAME, "eth"+strconv.Itoa(n)) })
		nlmsg.Native().PutUint32(data[4:], uint32(n))
		_, news, err := w.read(nlmsg.Message{Type: unix.RTM_NEWLINK, Data: data})
		require.NoError(t, err)
		require.True(t, news)
	}
	for n := range maxAnnounced + 10 {
		station(n)
		link(1 + n)
	}
	assert.Len(t, w.neighbours, 10)
	assert.Len(t, w.links, 10)
	assert.Contains(t, station(0).What, "02:00:00:00:00:00", "it is told again")
}
