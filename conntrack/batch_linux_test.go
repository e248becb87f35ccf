package conntrack

import (
	"context"
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/nlsock"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// A batch makes and removes connections, many in one system call.
type batch struct {
	sock *nlsock.Socket
	b    *nlmsg.Builder
	n    int
}

func newBatch(t *testing.T, ns *testns.Namespace) *batch {
	t.Helper()
	pinned, err := nlsock.OpenNamespace(ns.Path())
	require.NoError(t, err)
	sock, err := pinned.Dial(unix.NETLINK_NETFILTER, nlsock.Config{})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, sock.Close())
		require.NoError(t, pinned.Close())
	})
	return &batch{sock: sock, b: nlmsg.NewBuilder(nlmsg.Native(), nil)}
}

// numbered is the original tuple of the i-th connection of a test.
func numbered(i int) Tuple {
	return Tuple{Proto: UDP, Dst: netip.MustParseAddrPort("192.0.2.1:53"),
		Src: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1024)}
}

func (b *batch) message(typ, flags uint16, t Tuple, more func()) {
	b.b.BeginNetfilter(nlmsg.SubsysCTNetlink<<8|typ, nlmsg.FlagRequest|flags, uint32(b.n), byte(familyOf(t.Src.Addr())), 0)
	appendTuple(b.b, nlmsg.CTATupleOrig, &t)
	if more != nil {
		more()
	}
	b.b.End()
	b.n++
}

// create adds one connection with a mark.
func (b *batch) create(t Tuple, mark uint32) {
	b.message(nlmsg.CTNew, nlmsg.FlagCreate|nlmsg.FlagExcl, t, func() {
		reply := t
		reply.Src, reply.Dst = t.Dst, t.Src
		appendTuple(b.b, nlmsg.CTATupleReply, &reply)
		b.b.Uint32BE(nlmsg.CTAStatus, uint32(Confirmed))
		b.b.Uint32BE(nlmsg.CTATimeout, 3600)
		b.b.Uint32BE(nlmsg.CTAMark, mark)
	})
}

// mark changes the mark of one connection.
func (b *batch) mark(t Tuple, mark uint32) {
	b.message(nlmsg.CTNew, 0, t, func() { b.b.Uint32BE(nlmsg.CTAMark, mark) })
}

// remove ends one connection.
func (b *batch) remove(t Tuple) { b.message(nlmsg.CTDelete, 0, t, nil) }

// send carries out what was collected. The kernel works on it, and notifies of it, inside of the call.
func (b *batch) send(ctx context.Context) error {
	defer func() { b.b.Reset(); b.n = 0 }()
	if b.n == 0 {
		return nil
	}
	answers, err := b.sock.Commit(ctx, b.b.Bytes(), b.n)
	if err != nil {
		return err
	}
	for _, a := range answers {
		if a.Errno != 0 {
			return fmt.Errorf("request %d of %d: %w", a.Seq, b.n, unix.Errno(a.Errno))
		}
	}
	return nil
}

// fill makes the connections from number first on, in batches of a thousand.
func (b *batch) fill(ctx context.Context, first, n int, mark uint32) error {
	for i := range n {
		b.create(numbered(first+i), mark)
		if b.n == 1000 {
			if err := b.send(ctx); err != nil {
				return err
			}
		}
	}
	return b.send(ctx)
}
