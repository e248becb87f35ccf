package conntrack

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

func TestMatchValidateReportsEverything(t *testing.T) {
	m := Match{
		Paths: []Path{Slow, 7}, Family: 3, Status: Assured, StatusMask: Offload, Mark: 4, Mask: 3,
		Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Tuple: Tuple{Src: netip.MustParseAddrPort("[::ffff:10.0.0.1]:1")},
	}
	err := m.Validate()
	for _, part := range []string{
		"paths[1]: path(7)", "family 3", "::ffff:10.0.0.1: the table holds plain IPv4 addresses: write 10.0.0.1", "mix IPv4 and IPv6",
		"status ASSURED has bits outside its mask OFFLOAD", "mark 0x4 has bits outside its mask 0x3",
	} {
		assert.ErrorContains(t, err, part)
	}
	assert.NoError(t, (&Match{}).Validate())
	assert.NoError(t, (&Match{Family: IPv4, Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Mark: 1}).Validate())
}

// What the kernel is asked for each match; it must never ask for less than the match takes.
func TestDumpRequest(t *testing.T) {
	for name, c := range map[string]struct {
		match  Match
		family byte
		attrs  map[uint16]uint32
	}{
		"everything":           {Match{}, 0, map[uint16]uint32{}},
		"slow":                 {Match{Paths: []Path{Slow}}, 0, status(0, Offload|HWOffload)},
		"software":             {Match{Paths: []Path{Software}}, 0, status(Offload, Offload|HWOffload)},
		"hardware":             {Match{Paths: []Path{Hardware}}, 0, status(HWOffload, HWOffload)},
		"software or hardware": {Match{Paths: []Path{Hardware, Software}}, 0, status(Offload, Offload)},
		"slow or software":     {Match{Paths: []Path{Slow, Software}}, 0, status(0, HWOffload)},
		"slow or hardware":     {Match{Paths: []Path{Slow, Hardware}}, 0, map[uint16]uint32{}},
		"all paths":            {Match{Paths: []Path{Slow, Software, Hardware}}, 0, map[uint16]uint32{}},
		"path and status":      {Match{Paths: []Path{Software}, Status: Assured}, 0, status(Offload|Assured, Offload|HWOffload|Assured)},
		"contradiction":        {Match{Paths: []Path{Slow}, Status: Offload}, 0, status(Offload, Offload)},
		"mark":                 {Match{Mark: 5}, 0, map[uint16]uint32{nlmsg.CTAMark: 5, nlmsg.CTAMarkMask: 0xffffffff}},
		"family of a prefix":   {Match{Prefixes: []netip.Prefix{netip.MustParsePrefix("2001:db8::/32")}}, 10, map[uint16]uint32{}},
		"zone":                 {Match{Zones: []uint16{3}}, 0, map[uint16]uint32{nlmsg.CTAZone: 3}},
		"zones":                {Match{Zones: []uint16{3, 4}}, 0, map[uint16]uint32{}},
	} {
		t.Run(name, func(t *testing.T) {
			b := nlmsg.NewBuilder(nlmsg.BigEndian, nil)
			dumpRequest(b, &c.match)
			m, rest, err := nlmsg.NextMessage(nlmsg.BigEndian, b.Bytes())
			require.NoError(t, err)
			require.Empty(t, rest)
			family, _, attrs, err := nlmsg.Netfilter(m.Data)
			require.NoError(t, err)
			assert.Equal(t, c.family, family)
			assert.Equal(t, c.attrs, numbers(t, attrs))
		})
	}
}

func status(value, mask Status) map[uint16]uint32 {
	return map[uint16]uint32{nlmsg.CTAStatus: uint32(value), nlmsg.CTAStatusMask: uint32(mask)}
}

func numbers(t *testing.T, attrs []byte) map[uint16]uint32 {
	t.Helper()
	got := map[uint16]uint32{}
	for len(attrs) > 0 {
		a, rest, err := nlmsg.NextAttr(nlmsg.BigEndian, attrs)
		require.NoError(t, err)
		attrs = rest
		for _, c := range a.Data {
			got[a.Type] = got[a.Type]<<8 | uint32(c)
		}
	}
	return got
}
