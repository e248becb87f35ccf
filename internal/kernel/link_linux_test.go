package kernel

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// encodeLink encodes the data of RTM_NEWLINK.
func encodeLink(attrs func(nlmsg.Order, *nlmsg.Builder)) []byte {
	o := nlmsg.Native()
	b := nlmsg.NewBuilder(o, nil)
	b.Begin(unix.RTM_NEWLINK, 0, 0)
	b.Raw(append(o.AppendUint32(make([]byte, 4), 1), make([]byte, linkHeader-8)...)) // of index 1
	attrs(o, b)
	b.End()
	return b.Bytes()[16:]
}

func encodeVLAN(o nlmsg.Order, b *nlmsg.Builder) {
	b.String(unix.IFLA_IFNAME, "eth0")
	b.Data(unix.IFLA_MASTER, o.AppendUint32(nil, 7))
	b.Data(unix.IFLA_GROUP, o.AppendUint32(nil, 1<<31))
	b.Uint8(unix.IFLA_OPERSTATE, 6)
	b.Data(unix.IFLA_ADDRESS, []byte{2, 0, 0, 0, 0, 1})
	info := b.Nest(unix.IFLA_LINKINFO)
	data := b.Nest(unix.IFLA_INFO_DATA)
	b.Data(unix.IFLA_VLAN_ID, o.AppendUint16(nil, 9))
	b.Uint16BE(unix.IFLA_VLAN_PROTOCOL, 0x8100)
	b.EndNest(data)
	b.String(unix.IFLA_INFO_KIND, "vlan")
	b.EndNest(info)
}

func encodeUserPort(o nlmsg.Order, b *nlmsg.Builder) {
	b.String(unix.IFLA_IFNAME, "lan1")
	b.Data(unix.IFLA_LINK, o.AppendUint32(nil, 2))
	info := b.Nest(unix.IFLA_LINKINFO)
	b.String(unix.IFLA_INFO_KIND, "dsa")
	data := b.Nest(unix.IFLA_INFO_DATA)
	b.Data(unix.IFLA_DSA_CONDUIT, o.AppendUint32(nil, 2))
	b.EndNest(data)
	b.EndNest(info)
}

func encodeBridge(o nlmsg.Order, b *nlmsg.Builder) {
	b.String(unix.IFLA_IFNAME, "br0")
	info := b.Nest(unix.IFLA_LINKINFO)
	b.String(unix.IFLA_INFO_KIND, "bridge")
	data := b.Nest(unix.IFLA_INFO_DATA)
	b.Uint8(bridgeFiltering, 1)
	b.EndNest(data)
	b.EndNest(info)
}

func TestParseLink(t *testing.T) {
	o := nlmsg.Native()
	vlan := flowtable.Link{Index: 1, Name: "eth0", Kind: "vlan", Master: 7, Group: 1 << 31, State: "UP", Address: "02:00:00:00:00:01",
		VLAN: flowtable.VLAN{ID: 9, Protocol: "802.1Q"}}
	port := flowtable.Link{Index: 1, Name: "lan1", Kind: "dsa", Parent: 2, Conduit: 2}
	bridge := flowtable.Link{Index: 1, Name: "br0", Kind: "bridge", VLANFiltering: true}
	for name, c := range map[string]struct {
		encode func(nlmsg.Order, *nlmsg.Builder)
		want   flowtable.Link
	}{"a VLAN": {encodeVLAN, vlan}, "a switch's port": {encodeUserPort, port}, "a bridge that filters": {encodeBridge, bridge}} {
		data := encodeLink(c.encode)
		l, err := parseLink(o, data)
		require.NoError(t, err, name)
		assert.Equal(t, c.want, l, name)
		for n := range data {
			if _, err := parseLink(o, data[:n]); err != nil {
				assert.ErrorIs(t, err, nlmsg.ErrMalformed, "%s, cut at %d", name, n)
			}
		}
	}
}

func TestLinkAddress(t *testing.T) {
	for want, b := range map[string][]byte{
		"": nil, "192.0.2.1": {192, 0, 2, 1}, "02:00:00:00:00:01": {2, 0, 0, 0, 0, 1}, "::": make([]byte, 16),
	} {
		got, err := linkAddress(nlmsg.Attr{Data: b})
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	_, err := linkAddress(nlmsg.Attr{Data: make([]byte, maxAddress+1)})
	assert.ErrorIs(t, err, nlmsg.ErrMalformed)
}

// A name that no kernel gives a device is not taken: what comes with it is not believed either.
func TestParseLinkNames(t *testing.T) {
	for name, ok := range map[string]bool{
		"lo\x00": true, "fifteen.letters\x00": true, "lo\x00\x00": true,
		"": false, "\x00": false, "lo": false, "sixteen.letters.\x00": false, strings.Repeat("x", 60000) + "\x00": false,
	} {
		_, err := parseLink(nlmsg.Native(), encodeLink(func(_ nlmsg.Order, b *nlmsg.Builder) { b.Data(unix.IFLA_IFNAME, []byte(name)) }))
		if ok {
			assert.NoError(t, err, "%.20q", name)
		} else {
			assert.ErrorIs(t, err, nlmsg.ErrMalformed, "%.20q", name)
		}
	}
	_, err := parseLink(nlmsg.Native(), encodeLink(func(nlmsg.Order, *nlmsg.Builder) {}))
	assert.ErrorIs(t, err, nlmsg.ErrMalformed, "no name")
}
