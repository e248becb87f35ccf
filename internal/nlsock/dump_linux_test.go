package nlsock

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

func TestDumpOfNothing(t *testing.T) {
	_, _, s := dialT(t, Config{})
	for m, err := range s.Dump(testContext(t), request(getTable, nlmsg.FlagDump, 0, nil)) {
		t.Errorf("an empty namespace has table %v, error %v", m, err)
	}
}

func TestDumpOfManyDatagrams(t *testing.T) {
	_, ns, s := dialT(t, Config{})
	const want = 8000
	ports(t, ns, want)
	got, messages := 0, 0
	for m, err := range s.Dump(testContext(t), elementDump()) {
		require.NoError(t, err)
		require.EqualValues(t, newElem, m.Type)
		n, err := elementCount(m)
		require.NoError(t, err)
		got += n
		messages++
	}
	assert.Equal(t, want, got)
	assert.Greater(t, messages, 1, "the dump was meant to be longer than one datagram")
}

func elementDump() []byte {
	return request(getElem, nlmsg.FlagDump, nlmsg.FamilyInet, func(m *nlmsg.Builder) {
		m.String(1, "t")
		m.String(2, "s")
	})
}

// What a dump that was broken off left in the buffer does not disturb the next exchange.
func TestDoAfterBreakingOff(t *testing.T) {
	_, ns, s := dialT(t, Config{})
	ports(t, ns, 8000)
	for _, err := range s.Dump(testContext(t), elementDump()) {
		require.NoError(t, err)
		break
	}
	requireGeneration(t, s)
}

func requireGeneration(t *testing.T, s *Socket) {
	t.Helper()
	answer, err := s.Do(testContext(t), request(getGen, nlmsg.FlagAck, 0, nil))
	require.NoError(t, err)
	require.Len(t, answer, 1)
	require.EqualValues(t, nlmsg.SubsysNFTables<<8|15, answer[0].Type, "NEWGEN")
}

func TestDoErrorCarriesErrnoTextAndOffset(t *testing.T) {
	_, _, s := dialT(t, Config{})
	_, err := s.Do(testContext(t), request(getTable, nlmsg.FlagAck, nlmsg.FamilyInet, func(m *nlmsg.Builder) { m.String(tableName, "missing") }))
	require.ErrorIs(t, err, unix.ENOENT)
	require.ErrorIs(t, err, fs.ErrNotExist)
	var refused *RequestError
	require.ErrorAs(t, err, &refused)
	assert.EqualValues(t, 20, refused.Offset, "the attribute behind the header and nfgenmsg")
	assert.Equal(t, "no such file or directory", err.Error())
}

// Route netlink explains in words.
func TestDoErrorCarriesKernelText(t *testing.T) {
	_, ns := openT(t)
	s, err := ns.Dial(unix.NETLINK_ROUTE, Config{})
	require.NoError(t, err)
	defer s.Close()
	b := nlmsg.NewBuilder(nlmsg.Native(), nil)
	b.Begin(unix.RTM_GETROUTE, nlmsg.FlagRequest|nlmsg.FlagDump|nlmsg.FlagAck, 0)
	b.Raw([]byte{unix.AF_INET, 77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}) // rtm_dst_len 77
	b.End()
	on := 1
	require.NoError(t, s.raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, on)
	}))
	require.NoError(t, err)
	_, err = s.Do(testContext(t), b.Bytes())
	require.ErrorIs(t, err, unix.EINVAL)
	assert.Contains(t, err.Error(), "kernel says: ")
}

func TestDumpRefused(t *testing.T) {
	_, _, s := dialT(t, Config{})
	var last error
	for m, err := range s.Dump(testContext(t), elementDump()) {
		require.Error(t, err, "message %v of a set that does not exist", m)
		last = err
	}
	require.ErrorIs(t, last, unix.ENOENT)
	requireGeneration(t, s)
}

// A request that nobody answers ends with its context, and the socket serves the next one.
func TestContextEndsWaiting(t *testing.T) {
	_, _, s := dialT(t, Config{})
	unanswered := request(nlmsg.TypeNoop, 0, 0, nil)

	deadline, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := s.Do(deadline, unanswered)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	requireGeneration(t, s)

	cancelled, because := context.WithCancelCause(context.Background())
	time.AfterFunc(20*time.Millisecond, func() { because(errors.New("enough")) })
	for _, err = range s.Dump(cancelled, unanswered) {
	}
	require.ErrorIs(t, err, context.Canceled)
	requireGeneration(t, s)

	_, err = s.Do(cancelled, unanswered)
	require.ErrorIs(t, err, context.Canceled)
	requireGeneration(t, s)
}

func TestCloseEndsWaiting(t *testing.T) {
	_, _, s := dialT(t, Config{})
	time.AfterFunc(20*time.Millisecond, func() { s.Close() })
	_, err := s.Do(testContext(t), request(nlmsg.TypeNoop, 0, 0, nil))
	require.ErrorIs(t, err, os.ErrClosed)
}

func TestRequestOfWrongLength(t *testing.T) {
	_, _, s := dialT(t, Config{})
	good := request(getGen, nlmsg.FlagAck, 0, nil)
	for _, bad := range [][]byte{nil, good[:10], good[:len(good)-1], append(good[:len(good):len(good)], 0)} {
		_, err := s.Do(testContext(t), bad)
		require.ErrorIs(t, err, nlmsg.ErrMalformed)
	}
	requireGeneration(t, s)
}

// The hot path of a dump: receiving allocates nothing.
func TestReceiveAllocatesNothing(t *testing.T) {
	_, _, s := dialT(t, Config{})
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := s.poll(); err != unix.EAGAIN {
			t.Fatalf("poll of an idle socket: %v", err)
		}
	})
	assert.Zero(t, allocs)
}
