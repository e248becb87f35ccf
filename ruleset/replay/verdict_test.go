package replay

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// answer is an NLMSG_ERROR as kernels send it with NETLINK_CAP_ACK.
func answer(seq uint32, errno int32, attrs ...byte) []byte {
	o := binary.NativeEndian
	b := make([]byte, headerLen+4+headerLen)
	o.PutUint32(b, uint32(len(b)+len(attrs)))
	o.PutUint16(b[4:], typeError)
	o.PutUint32(b[8:], seq)
	o.PutUint32(b[16:], uint32(-errno))
	if errno != 0 {
		o.PutUint16(b[6:], flagCapped)
	}
	if attrs != nil {
		o.PutUint16(b[6:], o.Uint16(b[6:])|flagAckAttrs)
	}
	return append(b, attrs...)
}

// attr is one attribute, padded.
func attr(typ uint16, data []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(data)))
	b = append(binary.NativeEndian.AppendUint16(b, typ), data...)
	return append(b, make([]byte, align(len(b))-len(b))...)
}

// newBatch is a batch of that many tables, of which the last asks for an acknowledgement.
func newBatch(t *testing.T, tables int) batch {
	o := binary.NativeEndian
	var b []byte
	add := func(typ, flags uint16, name string) {
		start, seq := len(b), uint32(0)
		for rest := b; len(rest) > 0; seq++ {
			_, rest, _ = nextMessage(o, rest)
		}
		b = append(b, make([]byte, beginLen)...)
		o.PutUint16(b[start+4:], typ)
		o.PutUint16(b[start+6:], flagRequest|flags)
		o.PutUint32(b[start+8:], seq)
		if name == "" {
			b[start+19] = subsysNFTables
		} else {
			b[start+16] = 1
			b = append(b, attr(tableName, append([]byte(name), 0))...)
		}
		o.PutUint32(b[start:], uint32(len(b)-start))
	}
	add(typeBatchBegin, 0, "")
	for i := range tables {
		flags := uint16(flagCreate | flagExcl)
		if i == tables-1 {
			flags |= flagAck
		}
		add(newTable, flags, "t"+string(rune('a'+i)))
	}
	add(typeBatchEnd, 0, "")
	outlined, err := outline(o, b)
	require.NoError(t, err)
	return outlined
}

// TestVerdicts: every situation in which a kernel answers a batch (net/netfilter/nfnetlink.c), and what becomes of it.
func TestVerdicts(t *testing.T) {
	text := append(attr(errAttrText, []byte("no such thing\x00")), attr(errAttrOffset, binary.NativeEndian.AppendUint32(nil, 20))...)
	for name, test := range map[string]struct {
		tables  int
		answers [][]byte
		overrun bool
		want    error
	}{
		"committed":                       {2, [][]byte{answer(2, 0)}, false, nil},
		"nothing to do":                   {0, nil, false, nil},
		"subsystem missing":               {1, [][]byte{answer(0, int32(syscall.EOPNOTSUPP))}, false, &Error{Errno: syscall.EOPNOTSUPP}},
		"generation is over":              {1, [][]byte{answer(0, 85)}, false, &Error{Errno: errnoRestart}},
		"not allowed":                     {1, [][]byte{answer(0, int32(syscall.EPERM))}, false, &Error{Errno: syscall.EPERM}},
		"no memory to queue errors":       {1, [][]byte{answer(0, int32(syscall.ENOMEM))}, false, &Error{Errno: syscall.ENOMEM}},
		"malformed header, no answer":     {1, nil, false, ErrUnknown},
		"one refused, the last acked":     {3, [][]byte{answer(1, int32(syscall.EEXIST)), answer(3, 0)}, false, &Error{Message: 1, Object: "add table inet ta", Errno: syscall.EEXIST}},
		"two refused":                     {2, [][]byte{append(answer(1, 17), answer(2, 17)...)}, false, &Error{Message: 1, Object: "add table inet ta", Errno: syscall.EEXIST, Others: 1}},
		"explained":                       {1, [][]byte{answer(1, 2, text...)}, false, &Error{Message: 1, Object: "add table inet ta", Errno: syscall.ENOENT, Text: "no such thing", Offset: 20}},
		"commit failed, then acks":        {2, [][]byte{answer(0, int32(syscall.ENOMEM)), answer(2, 0)}, false, &Error{Errno: syscall.ENOMEM}},
		"errors lost, some read":          {2, [][]byte{answer(1, 17)}, true, &Error{Message: 1, Object: "add table inet ta", Errno: syscall.EEXIST}},
		"answers lost, none read":         {2, nil, true, ErrUnknown},
		"answers lost, an ack read":       {2, [][]byte{answer(2, 0)}, true, ErrUnknown},
		"an answer cut off":               {2, [][]byte{answer(2, 0)[:18]}, false, ErrUnknown},
		"an echo, then the ack":           {1, [][]byte{newBatch(t, 1).bytes[beginLen : len(newBatch(t, 1).bytes)-beginLen], answer(1, 0)}, false, nil},
		"an error about what is not here": {1, [][]byte{answer(77, 22)}, false, &Error{Message: 77, Errno: syscall.EINVAL}},
	} {
		t.Run(name, func(t *testing.T) {
			var v verdict
			for _, a := range test.answers {
				v.take(binary.NativeEndian, a)
			}
			err := v.judge(newBatch(t, test.tables), test.overrun)
			var want *Error
			switch {
			case test.want == nil:
				require.NoError(t, err)
			case errors.As(test.want, &want):
				var got *Error
				require.ErrorAs(t, err, &got)
				assert.Equal(t, want, got)
			default:
				require.ErrorIs(t, err, test.want)
			}
		})
	}
}

// TestErrorText: the message, the object, the reason, and the next step where there is one.
func TestErrorText(t *testing.T) {
	for text, e := range map[string]*Error{
		"message 7, add flowtable inet t f: no such file or directory (kernel says: why), and 2 more": {
			Message: 7, Object: "add flowtable inet t f", Errno: syscall.ENOENT, Text: "why", Others: 2},
		"the batch: operation not permitted; run with CAP_NET_ADMIN in this network namespace": {Errno: syscall.EPERM},
	} {
		assert.Equal(t, text, e.Error())
	}
	assert.ErrorIs(t, &Error{Errno: syscall.ENOENT}, fs.ErrNotExist)
	assert.ErrorIs(t, &Error{Errno: syscall.EEXIST}, fs.ErrExist)
	assert.ErrorIs(t, &Error{Errno: syscall.EPERM}, fs.ErrPermission)
	assert.ErrorIs(t, &Error{Errno: syscall.EOPNOTSUPP}, errors.ErrUnsupported)
	assert.Contains(t, (&Error{Errno: syscall.EOPNOTSUPP}).Error(), "no nf_tables")
	assert.Contains(t, (&Error{Errno: errnoRestart}).Error(), "generation")
}

// FuzzVerdict: whatever comes as an answer, there is a verdict.
func FuzzVerdict(f *testing.F) {
	f.Add(answer(1, 0), false)
	f.Add(answer(1, 2, attr(errAttrText, []byte("text\x00"))...), true)
	f.Fuzz(func(t *testing.T, datagram []byte, overrun bool) {
		var v verdict
		v.take(binary.NativeEndian, datagram)
		err := v.judge(newBatch(t, 1), overrun)
		if err != nil {
			assert.NotEmpty(t, err.Error())
		} else {
			assert.True(t, v.acked)
		}
	})
}
