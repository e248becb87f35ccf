package nlsock

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

const (
	ackSize   = 1 << 10  // what one error occupies in the receive buffer, with the kernel's bookkeeping
	ackMemory = 32 << 20 // no more than this for all of them: beyond, the first errors are enough
)

// Commit sends an encoded nfnetlink batch of so many messages as one transaction and returns everything that the kernel
// answered, errors and acknowledgements, in its order. The kernel works on a batch inside sendmsg, so all answers are there
// when it returns: nothing is waited for, and no answer at all is an answer too (kernels drop a malformed batch silently).
// Acknowledgements do not prove a commit; an answer to the first message (BATCH_BEGIN) that is an error denies it.
//
// Errors: ErrSendBuffer (nothing was sent), ErrOverrun (outcome unknown: read the state back), ctx's own before sending.
func (s *Socket) Commit(ctx context.Context, batch []byte, messages int) ([]nlmsg.Ack, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := s.makeRoom(len(batch), messages); err != nil {
		return nil, err
	}
	if err := s.send(batch); err != nil {
		if errors.Is(err, unix.EMSGSIZE) {
			return nil, s.tooSmall(len(batch))
		}
		if errors.Is(err, unix.ENOBUFS) {
			return nil, ErrOverrun // left by an earlier exchange: whether this batch went through is unknown
		}
		return nil, err
	}
	return s.answers()
}

// answers takes what is in the receive buffer, without waiting.
func (s *Socket) answers() ([]nlmsg.Ack, error) {
	var acks []nlmsg.Ack
	o := nlmsg.Native()
	for {
		b, err := s.poll()
		if err == unix.EAGAIN {
			return acks, nil
		}
		if err != nil {
			return acks, err
		}
		for len(b) > 0 {
			m, rest, err := nlmsg.NextMessage(o, b)
			if err != nil {
				return acks, err
			}
			b = rest
			if m.Type != nlmsg.TypeError {
				continue // an echo
			}
			ack, err := nlmsg.ParseAck(o, m)
			if err != nil {
				return acks, err
			}
			acks = append(acks, ack)
		}
	}
}

// makeRoom sizes the socket's buffers by the batch. The kernel doubles what it is asked for.
func (s *Socket) makeRoom(bytes, messages int) error {
	have, err := s.option(unix.SO_SNDBUF)
	if err != nil {
		return err
	}
	if have-sendOverhead < bytes {
		if err := s.conn.SetWriteBuffer(bytes); err != nil {
			return fmt.Errorf("netlink send buffer of %d bytes: %w", bytes, err)
		}
		if have, err = s.option(unix.SO_SNDBUF); err != nil {
			return err
		}
		if have-sendOverhead < bytes {
			return s.tooSmall(bytes)
		}
	}
	want := min(messages*ackSize, ackMemory)
	if have, err := s.option(unix.SO_RCVBUF); err != nil || have >= want {
		return err
	}
	return s.conn.SetReadBuffer(want)
}

// What netlink_sendmsg keeps back of the send buffer (net/netlink/af_netlink.c).
const sendOverhead = 32

func (s *Socket) tooSmall(bytes int) error {
	have, _ := s.option(unix.SO_SNDBUF)
	return fmt.Errorf("%w: the batch has %d bytes, the socket takes %d, and this process may not enlarge it: "+
		"raise net.core.wmem_max to %d, or run with CAP_NET_ADMIN in the initial user namespace", ErrSendBuffer, bytes, have-sendOverhead, bytes)
}

func (s *Socket) option(name int) (int, error) {
	var v int
	var err error
	if cerr := s.raw.Control(func(fd uintptr) { v, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, name) }); cerr != nil {
		return 0, cerr
	}
	return v, err
}
