package nlsock

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

const (
	mySeq   = 7
	oneType = nlmsg.TypeOverrun + 1
)

// message encodes one message of a kernel's answer.
func message(typ, flags uint16, seq uint32, data ...byte) []byte {
	b := nlmsg.NewBuilder(nlmsg.Native(), nil)
	b.Begin(typ, flags, seq)
	b.Raw(data)
	b.End()
	return b.Bytes()
}

func datagram(messages ...[]byte) []byte {
	var d []byte
	for _, m := range messages {
		d = append(d, m...)
	}
	return d
}

// errno encodes the head of NLMSG_ERROR: the negative errno and the header of the request.
func errno(e unix.Errno) []byte {
	return append(nlmsg.Native().AppendUint32(nil, uint32(-int32(e))), make([]byte, 16)...)
}

// follow hands datagrams to an answer and returns what it took.
func follow(datagrams ...[]byte) (x *answer, taken []nlmsg.Message, err error) {
	x = &answer{seq: mySeq}
	x.take = func(m nlmsg.Message) bool {
		taken = append(taken, m)
		return true
	}
	for _, d := range datagrams {
		if err = x.datagram(d); err != nil || x.done {
			break
		}
	}
	return x, taken, err
}

func TestAnswer(t *testing.T) {
	multi := message(oneType, nlmsg.FlagMulti, mySeq, 1, 2, 3, 4)
	done := message(nlmsg.TypeDone, nlmsg.FlagMulti, mySeq, 0, 0, 0, 0)
	tests := map[string]struct {
		datagrams   [][]byte
		taken       int
		interrupted bool
	}{
		"one datagram":                   {[][]byte{datagram(multi, multi, done)}, 2, false},
		"done in its own datagram":       {[][]byte{multi, multi, done}, 2, false},
		"done without an errno":          {[][]byte{multi, message(nlmsg.TypeDone, nlmsg.FlagMulti, mySeq)}, 1, false},
		"multi reply that ends by ack":   {[][]byte{multi, message(nlmsg.TypeError, 0, mySeq, errno(0)...)}, 1, false},
		"other sequence first":           {[][]byte{datagram(message(oneType, 0, mySeq-1), multi), message(nlmsg.TypeDone, 0, mySeq-1), done}, 1, false},
		"error of another sequence":      {[][]byte{message(nlmsg.TypeError, 0, mySeq-1, errno(unix.EPERM)...), multi, done}, 1, false},
		"noop and empty datagram":        {[][]byte{nil, message(nlmsg.TypeNoop, 0, mySeq), multi, done}, 1, false},
		"nothing behind the end counts":  {[][]byte{datagram(multi, done, multi), multi}, 1, false},
		"interrupted in the middle":      {[][]byte{message(oneType, nlmsg.FlagMulti|nlmsg.FlagDumpIntr, mySeq), multi, done}, 2, true},
		"interrupted at the end":         {[][]byte{multi, message(nlmsg.TypeDone, nlmsg.FlagMulti|nlmsg.FlagDumpIntr, mySeq, 0, 0, 0, 0)}, 1, true},
		"0x10 without multi means other": {[][]byte{message(oneType, nlmsg.FlagDumpIntr, mySeq), done}, 1, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			x, taken, err := follow(test.datagrams...)
			require.NoError(t, err)
			assert.True(t, x.done)
			assert.Len(t, taken, test.taken)
			assert.Equal(t, test.interrupted, x.interrupted)
		})
	}
}

func TestAnswerRefused(t *testing.T) {
	for _, typ := range []uint16{nlmsg.TypeError, nlmsg.TypeDone} {
		x, taken, err := follow(message(oneType, nlmsg.FlagMulti, mySeq), message(typ, 0, mySeq, errno(unix.EBUSY)...))
		require.ErrorIs(t, err, unix.EBUSY)
		assert.True(t, x.done)
		assert.Len(t, taken, 1)
	}
}

func TestAnswerMalformed(t *testing.T) {
	good := message(oneType, 0, mySeq, 1, 2, 3, 4)
	tooLong := append([]byte(nil), good...)
	nlmsg.Native().PutUint16(tooLong, 4096)
	for name, d := range map[string][]byte{
		"short header":         good[:7],
		"cut off":              good[:18],
		"length beyond":        tooLong,
		"second is cut off":    datagram(good, good[:9]),
		"length of zero":       make([]byte, 16),
		"an ack without errno": message(nlmsg.TypeError, 0, mySeq),
		"an ack without header but attributes": message(nlmsg.TypeError, nlmsg.FlagAckTLVs, mySeq,
			nlmsg.Native().AppendUint32(nil, 0)...),
	} {
		_, _, err := follow(d)
		assert.ErrorIs(t, err, nlmsg.ErrMalformed, name)
	}
}

func TestAnswerBrokenOffIsNotInterrupted(t *testing.T) {
	x := &answer{seq: mySeq, take: func(nlmsg.Message) bool { return false }}
	require.NoError(t, x.datagram(message(oneType, nlmsg.FlagMulti|nlmsg.FlagDumpIntr, mySeq)))
	assert.True(t, x.done)
	assert.False(t, x.interrupted)
}

// FuzzAnswer holds that no datagram makes an answer panic or loop.
func FuzzAnswer(f *testing.F) {
	f.Add(datagram(message(oneType, nlmsg.FlagMulti, mySeq, 1, 2, 3, 4), message(nlmsg.TypeDone, nlmsg.FlagMulti, mySeq, 0, 0, 0, 0)))
	f.Add(message(nlmsg.TypeError, nlmsg.FlagAckTLVs|nlmsg.FlagCapped, mySeq, append(errno(unix.ENOENT), 8, 0, 2, 0, 20, 0, 0, 0)...))
	f.Fuzz(func(t *testing.T, d []byte) {
		x, taken, err := follow(d)
		if len(taken)*16 > len(d) {
			t.Errorf("%d messages out of %d bytes", len(taken), len(d))
		}
		if err != nil && x.interrupted && len(taken) == 0 && len(d) < 16 {
			t.Errorf("interrupted by %d bytes", len(d))
		}
		var a answers
		err = a.read(d)
		acks := a.acks
		if len(acks)*20+len(a.echoes)*16 > len(d) || err != nil && !errors.Is(err, nlmsg.ErrMalformed) {
			t.Errorf("%d acks out of %d bytes, error %v", len(acks), len(d), err)
		}
	})
}
