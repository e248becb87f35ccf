package conntrack

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// A captured message is one that a real kernel sent, and the line that was right then.
type captured struct {
	file, kind, line string
	data             []byte
}

// allCaptured reads testdata/linux-*.txt. All of them are little endian.
func allCaptured(tb testing.TB) []captured {
	tb.Helper()
	files, err := filepath.Glob("testdata/linux-*.txt")
	require.NoError(tb, err)
	require.NotEmpty(tb, files)
	var all []captured
	for _, file := range files {
		f, err := os.Open(file)
		require.NoError(tb, err)
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		comment := ""
		for lines.Scan() {
			if text, ok := strings.CutPrefix(lines.Text(), "# "); ok {
				comment = text
				continue
			}
			kind, digits, _ := strings.Cut(lines.Text(), " ")
			data, err := hex.DecodeString(digits)
			require.NoError(tb, err)
			all = append(all, captured{file, kind, comment, data})
		}
		require.NoError(tb, lines.Err())
	}
	return all
}

func TestDecodeCaptured(t *testing.T) {
	for _, c := range allCaptured(t) {
		e, err := Decode(binary.LittleEndian, c.data)
		require.NoError(t, err, c.line)
		assert.Equal(t, c.line, e.String(), c.file)
		assert.Equal(t, c.kind == "dump" || c.kind == "destroy", e.Sent.OK, "%s: dumps and ends carry counters: %s", c.kind, c.line)
		tells := strings.HasSuffix(c.file, "-6.18.txt") || strings.HasSuffix(c.file, "-7.2.txt")
		assert.Equal(t, tells && c.kind != "dump", !e.Event.IsZero(), "%s of %s: notifications tell when, from Linux 6.14 on", c.kind, c.file)
	}
}

func TestDecodeAllocatesNothing(t *testing.T) {
	all := allCaptured(t)
	d := decoder{order: nlmsg.LittleEndian}
	var e Entry
	run := func() {
		for i := range all {
			e = Entry{}
			if err := d.entry(&e, all[i].data); err != nil {
				t.Fatal(err)
			}
		}
	}
	run() // helper names are remembered
	assert.Zero(t, testing.AllocsPerRun(100, run))
}

func TestDecodeRefusesEveryShorterMessage(t *testing.T) {
	for _, c := range allCaptured(t) {
		for n := range c.data {
			e, err := Decode(binary.LittleEndian, c.data[:n])
			if err != nil {
				require.ErrorIs(t, err, nlmsg.ErrMalformed)
				continue
			}
			// Cut between two attributes: then what came before must be whole.
			require.True(t, e.Orig.Src.IsValid() && e.Reply.Dst.IsValid())
		}
	}
}

// Counters are one nest of two numbers: half of one is not told, nor is what two nests have together.
func TestDecodeHalvesOfCounters(t *testing.T) {
	o := nlmsg.LittleEndian
	want := masqueraded()
	half := func(typ uint16) []byte {
		b := nlmsg.NewBuilder(o, nil)
		nest := b.Nest(nlmsg.CTACountersReply)
		b.Uint64BE(typ, 9)
		b.EndNest(nest)
		return b.Bytes()
	}
	packets, bytes := half(nlmsg.CTACountersPackets), half(nlmsg.CTACountersBytes)
	want.Received = Counters{}
	for name, more := range map[string][]byte{
		"packets": packets, "bytes": bytes, "packets, then bytes": append(packets[:len(packets):len(packets)], bytes...),
	} {
		whole := masqueraded()
		got, err := Decode(binary.LittleEndian, append(encode(o, &whole), more...))
		require.NoError(t, err)
		assert.Equal(t, want.Received, got.Received, name)
		assert.Equal(t, want.Sent, got.Sent, name)
	}
}

func FuzzDecode(f *testing.F) {
	for _, c := range allCaptured(f) {
		f.Add(c.data, false)
	}
	f.Fuzz(func(t *testing.T, data []byte, big bool) {
		order := binary.ByteOrder(binary.LittleEndian)
		if big {
			order = binary.BigEndian
		}
		e, err := Decode(order, data)
		if err != nil {
			require.ErrorIs(t, err, nlmsg.ErrMalformed)
			return
		}
		require.NotEmpty(t, e.String())
		_, err = e.MarshalJSON()
		require.NoError(t, err)
		again := encode(nlmsg.OrderOf(order), &e)
		back, err := Decode(order, again)
		require.NoError(t, err)
		require.Equal(t, e, back)
	})
}

func BenchmarkDecode(b *testing.B) {
	all := allCaptured(b)
	d := decoder{order: nlmsg.LittleEndian}
	var e Entry
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		e = Entry{}
		if err := d.entry(&e, all[i%len(all)].data); err != nil {
			b.Fatal(err)
		}
	}
}
