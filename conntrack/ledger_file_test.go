package conntrack

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"net/netip"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sealed is a body with the checksum that it should have.
func sealed(body []byte) []byte {
	return binary.BigEndian.AppendUint32(bytes.Clone(body), crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
}

// someLedger has an account with a live connection, one without counters, one that is closed, and a connection that is over.
func someLedger() *Ledger[uint32] {
	l := NewLedger(ByMark)
	over := marked(1, 7, 10)
	over.Start = time.Unix(1700000000, 5)
	addAll(l, isNew(over), isNew(marked(2, 9, 2)), isNew(marked(3, 8, 0)), isSynced, step(Destroyed, marked(2, 9, 2), 2))
	l.Forget(9)
	l.Begin()
	bare := marked(4, 10, 0)
	addAll(l, isNew(marked(3, 8, 6)), isAnnounced(bare), isSynced)
	return l
}

func saved[K comparable](t testing.TB, l *Ledger[K]) []byte {
	t.Helper()
	var file bytes.Buffer
	require.NoError(t, l.Save(&file))
	return file.Bytes()
}

// The form of version 1, byte for byte: files of today are read tomorrow.
func TestLedgerFileStaysTheSame(t *testing.T) {
	const head = "6661737470617468206c656467657220310a" + "00000003" + "00000003"
	const accounts = "" +
		"0000000000000001" + "0000000000000001" + "0000000000000000" + "000000000000000a" + "00000000000003e8" + "0000000000000005" + "000000000000012c" +
		"03" + "00000001" + "37" +
		"0000000000000001" + "0000000000000000" + "0000000000000000" + "0000000000000000" + "0000000000000000" + "0000000000000000" + "0000000000000000" +
		"00" + "00000002" + "3130" +
		"0000000000000001" + "0000000000000000" + "0000000000000000" + "0000000000000006" + "0000000000000258" + "0000000000000003" + "00000000000000b4" +
		"03" + "00000001" + "38"
	const flows = "" +
		"000000000000000a" + "00000000000003e8" + "0000000000000005" + "000000000000012c" + "00000000" + "21bd9cfb" +
		"00000000000000000000ffff0a000001" + "00000000000000000000ffffc0000201" + "00043500" + "11040000" + "e9030000" + "0000" + "1a"
	file := saved(t, someLedger())
	assert.Equal(t, head+accounts, hex.EncodeToString(file[:len(head+accounts)/2]))
	rest := hex.EncodeToString(file[len(head+accounts)/2:])
	assert.Equal(t, flows, rest[:len(flows)])
	assert.Len(t, rest, 3*2*savedFlowSize+8)
}

func TestLedgerGoesOnFromAFile(t *testing.T) {
	l := again(t, someLedger())
	addAll(l, isNew(marked(1, 7, 14)), isNew(marked(3, 8, 8)), isNew(marked(4, 10, 4)), isSynced)
	for mark, want := range map[uint32]Account{7: account(2, 1, 14).but(1, 0), 8: account(1, 1, 8), 10: account(1, 1, 4)} {
		got, ok := l.Get(mark)
		assert.True(t, ok)
		assert.Equal(t, want, got, "mark %d", mark)
	}
}

func TestRestoreLedgerRefuses(t *testing.T) {
	file := saved(t, someLedger())
	body := file[:len(file)-4]
	const account, flow = 26, 26 + 3*savedAccountSize + 1 + 1 + 2 // where the first ones begin
	flags := flow + savedFlowSize - 1
	edit := func(at int, b ...byte) []byte {
		edited := bytes.Clone(body)
		copy(edited[at:], b)
		return sealed(edited)
	}
	tests := map[string]struct {
		file []byte
		want string
	}{
		"nothing":                    {nil, "read its first line: unexpected EOF"},
		"another file":               {[]byte("{\"accounts\": [], \"flows\": []}"), "this is no ledger"},
		"another version":            {edit(16, '2'), "another version than 1"},
		"a version of two digits":    {edit(17, '0'), "another version than 1"},
		"a flipped bit":              {append(append(bytes.Clone(file[:flow+3]), file[flow+3]^1), file[flow+4:]...), "it was damaged"},
		"something behind":           {append(bytes.Clone(file), 0), "something follows its end"},
		"no checksum":                {body, "read the checksum: unexpected EOF"},
		"too many accounts":          {edit(18, 0xff, 0xff, 0xff, 0xff), "account 4 of 4294967295: "},
		"too many connections":       {edit(22, 0xff, 0xff, 0xff, 0xff), "connection 4 of 4294967295: read a connection: unexpected EOF"},
		"flags of an account":        {edit(account+56, 4), "account 1 of 3: unknown flags 0x4"},
		"sums without flags":         {edit(account+56, 0), "account 1 of 3: it has counts and says that it has none"},
		"a long key":                 {edit(account+57, 0, 1, 0, 1), "a key of 65537 bytes; 65536 is the most"},
		"a key that is no JSON":      {edit(account+61, '-'), "account 1 of 3: key: "},
		"a key of another type":      {edit(account+savedAccountSize+62-1, '"', '"'), "account 2 of 3: key: "},
		"a key written otherwise":    {edit(account+savedAccountSize+62-1, ' ', '1'), "account 2 of 3: key: "},
		"a key twice":                {edit(account+61, '8'), "account 3 of 3: the key 8 is there twice"},
		"an unknown account":         {edit(flow+savedFlowSize+35, 4), "connection 2 of 3: account 4 of 3"},
		"flags of a connection":      {edit(flags, 0x1b), "connection 1 of 3: unknown flags 0x1b"},
		"counts without flags":       {edit(flags, 0x12), "connection 1 of 3: it has counts and says that it has none"},
		"over and live":              {edit(flow+35, 1), "connection 1 of 3: it is over and says that it is live"},
		"over and waiting for more":  {edit(flags, 0x1e), "connection 1 of 3: it is over and says that it is live"},
		"the same connection, twice": {edit(flow+savedFlowSize, body[flow:flow+savedFlowSize]...), "connection 2 of 3: it is there twice"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l, err := RestoreLedger(bytes.NewReader(test.file), ByMark)
			assert.ErrorContains(t, err, "conntrack: restore the ledger: ")
			assert.ErrorContains(t, err, test.want)
			assert.Nil(t, l)
		})
	}
	for n := range file {
		_, err := RestoreLedger(bytes.NewReader(file[:n]), ByMark)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "cut at %d", n)
	}
}

func TestLedgerFilesThatFail(t *testing.T) {
	failure := errors.New("the disk is full")
	file := saved(t, someLedger())
	for n := range len(file) {
		err := someLedger().Save(&fullDisk{room: n, err: failure})
		require.ErrorIs(t, err, failure, "room for %d", n)
		_, err = RestoreLedger(io.MultiReader(bytes.NewReader(file[:n]), iotest.ErrReader(failure)), ByMark)
		require.ErrorIs(t, err, failure, "%d can be read", n)
	}
	_, err := RestoreLedger(iotest.OneByteReader(bytes.NewReader(file)), ByMark)
	assert.NoError(t, err)
}

type fullDisk struct {
	room int
	err  error
}

func (d *fullDisk) Write(b []byte) (int, error) {
	if d.room -= len(b); d.room < 0 {
		return 0, d.err
	}
	return len(b), nil
}

// A key type is any that JSON gives back as it was; of others Save says so, instead of Restore when it is too late.
func TestLedgerKeyTypes(t *testing.T) {
	type subscriber struct {
		Addr netip.Addr
		Path Path
		Zone uint16 `json:"zone,omitempty"`
	}
	type hidden struct{ addr netip.Addr }
	change := isNew(marked(1, 7, 10))
	src := change.Entry.Orig.Src.Addr()

	l := NewLedger(func(e Entry) (subscriber, bool) { return subscriber{e.Orig.Src.Addr(), e.Path(), e.Zone}, true })
	l.Add(change)
	got, ok := again(t, l).Get(subscriber{Addr: src})
	assert.True(t, ok)
	assert.Equal(t, account(1, 1, 10), got)

	text := NewLedger(func(Entry) (string, bool) { return "<a>\u2028\x00", true })
	text.Add(change)
	again(t, text)

	refused := func(err error) { assert.ErrorContains(t, err, "does not read back as the same key") }
	broken := NewLedger(func(Entry) (string, bool) { return "\xff", true })
	broken.Add(change)
	refused(broken.Save(io.Discard))
	lossy := NewLedger(func(Entry) (hidden, bool) { return hidden{src}, true })
	lossy.Add(change)
	refused(lossy.Save(io.Discard))
	status := NewLedger(func(e Entry) (Status, bool) { return e.Status, true })
	status.Add(change)
	refused(status.Save(io.Discard))
	long := NewLedger(func(Entry) (string, bool) { return string(bytes.Repeat([]byte("k"), savedKeyMost)), true })
	long.Add(change)
	refused(long.Save(io.Discard))
	channel := NewLedger(func(Entry) (chan int, bool) { return nil, true })
	channel.Add(change)
	assert.ErrorContains(t, channel.Save(io.Discard), "unsupported type")

	anything := NewLedger(func(Entry) (any, bool) { return "[]", true })
	anything.Add(change)
	file := again(t, anything)
	body := saved(t, file)
	at := bytes.Index(body, []byte(`"[]"`))
	copy(body[at:], "[[]]")
	_, err := RestoreLedger(bytes.NewReader(sealed(body[:len(body)-4])), file.key)
	assert.ErrorContains(t, err, "key: [[]] is no", "a list cannot be a key")
}

// Whatever the bytes are, what is restored is saved as the same bytes, and takes changes. The checksum is set right, or no other byte would
// ever be looked at.
func FuzzRestoreLedger(f *testing.F) {
	file := saved(f, someLedger())
	f.Add(file[:len(file)-4])
	file = saved(f, NewLedger(ByMark))
	f.Add(file[:len(file)-4])
	f.Fuzz(func(t *testing.T, body []byte) {
		file := sealed(body)
		l, err := RestoreLedger(bytes.NewReader(file), ByMark)
		if err != nil {
			require.Nil(t, l)
			return
		}
		require.Equal(t, file, saved(t, l))
		addAll(l, isNew(marked(1, 7, 14)), isSynced, step(Counted, marked(3, 8, 8), 4), isLost(marked(4, 10, 4)))
		again(t, l)
	})
}
