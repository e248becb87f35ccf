package replay

import (
	"encoding/binary"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// These tests provoke the situations of TestVerdicts on a real kernel, with batches that Send itself would refuse.

// commitIn sends a batch as it is into a namespace.
func commitIn(t *testing.T, ns *testns.Namespace, b batch) error {
	t.Helper()
	return ns.Do(func() error {
		s, err := openSocket()
		if err != nil {
			return err
		}
		defer s.close()
		return s.commit(b)
	})
}

func requireRefused(t *testing.T, err error, want Error) {
	t.Helper()
	var got *Error
	require.ErrorAs(t, err, &got)
	if want.Message > 0 {
		want.Offset = got.Offset // 20 where the kernel points at the name
	}
	assert.Equal(t, want, *got)
}

func TestRowsOnAKernel(t *testing.T) {
	ns := testns.NewT(t, "rows")
	o := binary.NativeEndian

	require.NoError(t, commitIn(t, ns, newBatch(t, 2)), "committed")
	requireRefused(t, commitIn(t, ns, newBatch(t, 3)), Error{Message: 1, Object: "add table inet ta", Errno: syscall.EEXIST, Others: 1})
	require.NoError(t, commitIn(t, ns, newBatch(t, 0)), "nothing to do")

	missing := newBatch(t, 1)
	missing.bytes[19] = 1 // ctnetlink, which takes no batches
	requireRefused(t, commitIn(t, ns, missing), Error{Errno: syscall.EOPNOTSUPP})

	over := newBatch(t, 1)
	over.bytes = append(append(append([]byte(nil), over.bytes[:beginLen]...), attr(1, []byte{0xff, 0xff, 0xff, 0xfe})...), over.bytes[beginLen:]...)
	o.PutUint32(over.bytes, beginLen+8)
	requireRefused(t, commitIn(t, ns, over), Error{Errno: errnoRestart})

	cut := newBatch(t, 1)
	o.PutUint32(cut.bytes[beginLen:], 1<<20)
	require.ErrorIs(t, commitIn(t, ns, cut), ErrUnknown, "a header that is wrong is answered by nothing")

	nested := newBatch(t, 1)
	o.PutUint16(nested.bytes[beginLen+4:], typeBatchBegin)
	require.Error(t, commitIn(t, ns, nested))

	text, err := ns.Ruleset(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "table inet ta {\n}\ntable inet tb {\n}\n", text, "only the first was committed")
}

// TestManyErrors: more errors than the receive buffer holds leave the first, and nothing hangs.
func TestManyErrors(t *testing.T) {
	ns := testns.NewT(t, "errors")
	require.NoError(t, commitIn(t, ns, newBatch(t, 1)))
	b := newBatch(t, 1)
	table := append([]byte(nil), b.bytes[beginLen:len(b.bytes)-beginLen]...)
	end := append([]byte(nil), b.bytes[len(b.bytes)-beginLen:]...)
	b.bytes = b.bytes[:beginLen]
	for i := range 10_000 {
		binary.NativeEndian.PutUint32(table[8:], uint32(i+1))
		b.bytes = append(b.bytes, table...)
	}
	binary.NativeEndian.PutUint32(end[8:], 10_001)
	b, err := outline(binary.NativeEndian, append(b.bytes, end...))
	require.NoError(t, err)
	err = commitIn(t, ns, b)
	var got *Error
	require.ErrorAs(t, err, &got)
	assert.Equal(t, 1, got.Message)
	assert.Equal(t, syscall.EEXIST, got.Errno)
	assert.Positive(t, got.Others)
}
