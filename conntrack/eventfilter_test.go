package conntrack

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// passes is what the program has to do: what never changes counts always, the rest at the beginning only.
func (m Match) passes(kind NotificationKind, e *Entry) bool {
	moving := Match{Paths: m.Paths, Status: m.Status, StatusMask: m.StatusMask, Mark: m.Mark, Mask: m.Mask}
	m.Paths, m.Status, m.StatusMask, m.Mark, m.Mask = nil, 0, 0, 0, 0
	if len(m.Prefixes) > maxFilterPrefixes {
		m = m.withoutPrefixes()
	}
	if len(m.Zones) > maxFilterZones {
		m.Zones = nil
	}
	return m.Matches(e) && (kind != NotifyNew || moving.Matches(e))
}

// notice wraps what follows a netlink header into the message of a notification.
func notice(o nlmsg.Order, kind NotificationKind, data []byte) []byte {
	typ, flags := uint16(nlmsg.SubsysCTNetlink<<8|nlmsg.CTNew), uint16(0)
	switch kind {
	case NotifyNew:
		flags = nlmsg.FlagCreate | nlmsg.FlagExcl
	case NotifyDestroy:
		typ = nlmsg.SubsysCTNetlink<<8 | nlmsg.CTDelete
	}
	b := o.AppendUint32(nil, uint32(16+len(data)))
	b = o.AppendUint16(o.AppendUint16(b, typ), flags)
	return append(o.AppendUint32(o.AppendUint32(b, 0), 0), data...)
}

// filters runs m's program on a notification of each kind, and requires that it does what it has to do; it counts what was dropped.
func filters(t *testing.T, o nlmsg.Order, m Match, e *Entry, data []byte) (dropped int) {
	t.Helper()
	program := eventProgram(o, &m)
	for _, kind := range []NotificationKind{NotifyNew, NotifyUpdate, NotifyDestroy} {
		got, want := true, m.passes(kind, e)
		if program != nil {
			var err error
			got, err = runProgram(o, program, notice(o, kind, data))
			require.NoError(t, err)
		}
		require.Equal(t, want, got, "%v byte order: %+v\n%v: %v", o, m, kind, e)
		if !got {
			dropped++
		}
	}
	return dropped
}

// The messages of four kernels, as each kind of notification, against any match.
func TestEventProgramOnCaptured(t *testing.T) {
	random, dropped := rand.New(rand.NewPCG(1, 2)), 0
	all := allCaptured(t)
	const rounds = 5
	for range rounds {
		for _, c := range all {
			e, err := Decode(binary.LittleEndian, c.data)
			require.NoError(t, err)
			dropped += filters(t, nlmsg.LittleEndian, randomMatch(random, &e), &e, c.data)
		}
	}
	assert.Greater(t, dropped, len(all)*rounds, "a third")
	assert.Less(t, dropped, 2*len(all)*rounds, "two thirds")
}

// Any entry in both byte orders.
func FuzzEventProgram(f *testing.F) {
	all := allCaptured(f)
	for i := range uint64(500) {
		f.Add(i)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 1))
		e, err := Decode(binary.LittleEndian, all[random.IntN(len(all))].data)
		require.NoError(t, err)
		mutate(random, &e)
		m := randomMatch(random, &e)
		for _, o := range []nlmsg.Order{nlmsg.LittleEndian, nlmsg.BigEndian} {
			filters(t, o, m, &e, encode(o, &e))
		}
	})
}

// What the program does not understand passes.
func TestEventProgramPassesOddMessages(t *testing.T) {
	o := nlmsg.LittleEndian
	flow := Match{Proto: TCP, Tuple: Tuple{Src: netip.MustParseAddrPort("10.0.0.1:80")}}
	for name, c := range map[string]struct {
		match Match
		attrs func(*nlmsg.Builder)
	}{
		"no tuples":      {flow, func(*nlmsg.Builder) {}},
		"no status":      {Match{Status: Offload}, func(*nlmsg.Builder) {}},
		"a short status": {Match{Status: Offload}, func(b *nlmsg.Builder) { b.Uint16BE(nlmsg.CTAStatus, 0) }},
		"a short mark":   {Match{Mark: 1}, func(b *nlmsg.Builder) { b.Uint8(nlmsg.CTAMark, 0) }},
		"a short zone":   {Match{Zones: []uint16{1}}, func(b *nlmsg.Builder) { b.Uint8(nlmsg.CTAZone, 0) }},
		"empty tuples":   {flow, func(b *nlmsg.Builder) { b.Data(nlmsg.CTATupleOrig, nil); b.Data(nlmsg.CTATupleReply, nil) }},
	} {
		b := nlmsg.NewBuilder(o, nil)
		b.BeginNetfilter(nlmsg.SubsysCTNetlink<<8, nlmsg.FlagCreate, 0, byte(IPv4), 0)
		c.attrs(b)
		b.End()
		passes, err := runProgram(o, eventProgram(o, &c.match), b.Bytes())
		require.NoError(t, err)
		assert.True(t, passes, name)
	}
	b := nlmsg.NewBuilder(o, nil)
	b.BeginNetfilter(nlmsg.SubsysNFTables<<8, 0, 0, byte(IPv4), 0)
	b.End()
	passes, err := runProgram(o, eventProgram(o, &Match{Family: IPv6}), b.Bytes())
	require.NoError(t, err)
	assert.True(t, passes, "another subsystem")
}

// A program stays below the limit of a socket (BPF_MAXINSNS), and its longest jumps arrive.
func TestEventProgramSize(t *testing.T) {
	m := Match{Family: IPv6, Proto: TCP, Mark: 1, Status: Assured, Paths: []Path{Slow}, Tuple: Tuple{Proto: TCP, Zone: 1}}
	for i := range maxFilterPrefixes {
		m.Prefixes = append(m.Prefixes, netip.PrefixFrom(randomAddr(rand.New(rand.NewPCG(0, uint64(i))), true), 127))
		m.Zones = append(m.Zones, uint16(i))
	}
	assert.Less(t, len(eventProgram(nlmsg.LittleEndian, &m)), 4096)
}

var update = flag.Bool("update", false, "write the golden files of testdata anew")

func TestEventProgramText(t *testing.T) {
	var b strings.Builder
	for _, c := range []struct {
		name  string
		match Match
	}{
		{"everything", Match{}},
		{"software or hardware", Match{Paths: []Path{Software, Hardware}}},
		{"mark 0x20/0xf0", Match{Mark: 0x20, Mask: 0xf0}},
		{"IPv6 and TCP", Match{Family: IPv6, Proto: TCP}},
		{"zones 0 and 7", Match{Zones: []uint16{0, 7}}},
		{"10.0.0.0/8 or 192.0.2.1", Match{Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32")}}},
		{"tuple to port 53 of 2001:db8::1", Match{Tuple: Tuple{Dst: netip.MustParseAddrPort("[2001:db8::1]:53")}}},
	} {
		fmt.Fprintf(&b, "# %s\n%s\n", c.name, programText(eventProgram(nlmsg.LittleEndian, &c.match)))
	}
	const golden = "testdata/eventfilter.txt"
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), b.String(), "see what changed, and go test ./conntrack -run TestEventProgramText -update")
}
