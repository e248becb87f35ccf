package main

import (
	"io"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
)

func parseFilter(t *testing.T, args ...string) (*filter, bool) {
	t.Helper()
	flags := newArguments("test", "")
	f := flags.filters()
	_, err := flags.parse(&streams{out: io.Discard, err: io.Discard}, args, 0)
	require.NoError(t, err)
	require.NoError(t, f.check())
	return f, f.given(flags)
}

// Every filter says what it stands for in a Match.
func TestFilters(t *testing.T) {
	ap := netip.MustParseAddrPort
	for name, c := range map[string]struct {
		args []string
		want conntrack.Match
	}{
		"path":          {[]string{"--path", "software, hardware"}, conntrack.Match{Paths: []conntrack.Path{conntrack.Software, conntrack.Hardware}}},
		"paths":         {[]string{"--path", "slow", "--path=software"}, conntrack.Match{Paths: []conntrack.Path{conntrack.Slow, conntrack.Software}}},
		"proto":         {[]string{"--proto", "TCP"}, conntrack.Match{Proto: conntrack.TCP}},
		"proto number":  {[]string{"--proto", "89"}, conntrack.Match{Proto: 89}},
		"address":       {[]string{"--address", "192.0.2.9/24,2001:db8::1", "--address", "198.51.100.1"}, conntrack.Match{Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::1/128"), netip.MustParsePrefix("198.51.100.1/32")}}},
		"ends":          {[]string{"--src", "192.0.2.1:80", "--dst", "192.0.2.2:81"}, conntrack.Match{Tuple: conntrack.Tuple{Src: ap("192.0.2.1:80"), Dst: ap("192.0.2.2:81")}}},
		"address alone": {[]string{"--src", "2001:db8::1"}, conntrack.Match{Tuple: conntrack.Tuple{Src: netip.AddrPortFrom(netip.MustParseAddr("2001:db8::1"), 0)}}},
		"port alone":    {[]string{"--dst", ":443"}, conntrack.Match{Tuple: conntrack.Tuple{Dst: netip.AddrPortFrom(netip.Addr{}, 443)}}},
		"IPv6 end":      {[]string{"--dst", "[2001:db8::1]:443"}, conntrack.Match{Tuple: conntrack.Tuple{Dst: ap("[2001:db8::1]:443")}}},
		"mark":          {[]string{"--mark", "0x10/0xff"}, conntrack.Match{Mark: 0x10, Mask: 0xff}},
		"whole mark":    {[]string{"--mark", "0"}, conntrack.Match{Mask: 1<<32 - 1}},
		"zones":         {[]string{"--zone", "0,7"}, conntrack.Match{Zones: []uint16{0, 7}}},
		"status":        {[]string{"--status", "assured,!seen-reply", "--status", "SRC_NAT"}, conntrack.Match{Status: conntrack.Assured | conntrack.SrcNAT, StatusMask: conntrack.Assured | conntrack.SrcNAT | conntrack.SeenReply}},
		"family":        {[]string{"--family", "ipv6"}, conntrack.Match{Family: conntrack.IPv6}},
	} {
		f, given := parseFilter(t, c.args...)
		assert.Equal(t, c.want, f.Match, name)
		assert.True(t, given, name)
	}
	f, given := parseFilter(t, "--device", "eth0")
	assert.Equal(t, "eth0", f.device)
	assert.True(t, given)
	_, given = parseFilter(t)
	assert.False(t, given)
}

// Mistakes in filters are usage errors of every command that has them, and name what to write.
func TestFilterMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		says []string
	}{
		"path":           {[]string{"--path", "slow,fast"}, []string{"-path", `"fast"`, "slow, software, hardware or unknown"}},
		"proto":          {[]string{"--proto", "tpc"}, []string{"-proto", `"tpc"`, "or a number"}},
		"proto 0":        {[]string{"--proto", "0"}, []string{`"0"`}},
		"address":        {[]string{"--address", "192.0.2.0/33"}, []string{"-address", `"192.0.2.0/33"`}},
		"src":            {[]string{"--src", "192.0.2.1:"}, []string{"-src", `"192.0.2.1:"`}},
		"port 0":         {[]string{"--dst", ":0"}, []string{`":0"`}},
		"no port":        {[]string{"--dst", ":http"}, []string{`":http"`}},
		"mark":           {[]string{"--mark", "0x10/"}, []string{`"0x10/"`}},
		"mark 33 bits":   {[]string{"--mark", "0x100000000"}, []string{`"0x100000000"`}},
		"mask 0":         {[]string{"--mark", "0/0"}, []string{`"0/0"`}},
		"mark past mask": {[]string{"--mark", "0x100/0xff"}, []string{"0x100", "outside its mask"}},
		"zone":           {[]string{"--zone", "65536"}, []string{`"65536"`}},
		"status":         {[]string{"--status", "fast"}, []string{`"fast"`, "seen-reply, assured"}},
		"family":         {[]string{"--family", "5"}, []string{`"5"`, "ipv4 or ipv6"}},
		"two families":   {[]string{"--family", "4", "--src", "2001:db8::1"}, []string{"mix IPv4 and IPv6"}},
	} {
		for _, command := range []string{"flows", "evict"} {
			t.Run(command+" "+name, func(t *testing.T) {
				flowctl("", append([]string{command}, c.args...)...).assertRefused(t, exitUsage, c.says...)
			})
		}
	}
}

func TestUsageOfFlowsAndEvict(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		says []string
	}{
		"evict nobody":       {[]string{"evict"}, []string{"--all", "filters"}},
		"evict, dry":         {[]string{"evict", "--dry-run"}, []string{"--all"}},
		"evict all and some": {[]string{"evict", "--all", "--proto", "tcp"}, []string{"choose one of --all and filters"}},
		"evict of a spec":    {[]string{"evict", "--all", "x.json"}, []string{"want 0 arguments"}},
		"watch a device":     {[]string{"flows", "--watch", "--device", "eth0"}, []string{"--device"}},
		"poll once":          {[]string{"flows", "--poll", "5s"}, []string{"--poll"}},
		"poll backwards":     {[]string{"flows", "--watch", "--poll", "-5s"}, []string{"--poll"}},
	} {
		t.Run(name, func(t *testing.T) { flowctl("", c.args...).assertRefused(t, exitUsage, c.says...) })
	}
}
