package nlsock

import (
	"bytes"
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
// Errors: ErrOverrun and ErrUnanswered beside the answers that were read: those that are missing may have been errors or
// acknowledgements. With any other, ErrSendBuffer and ctx's own among them, nothing was sent.
func (s *Socket) Commit(ctx context.Context, batch []byte, messages int) ([]nlmsg.Ack, error) {
	acks, _, err := s.CommitEchoes(ctx, batch, messages)
	return acks, err
}

// CommitEchoes is Commit, and also returns the messages that the kernel sent back because they asked for it (NLM_F_ECHO).
func (s *Socket) CommitEchoes(ctx context.Context, batch []byte, messages int) (acks []nlmsg.Ack, echoes []nlmsg.Message, err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if err := s.makeRoom(len(batch), messages); err != nil {
		return nil, nil, err
	}
	switch err := s.send(batch); {
	case errors.Is(err, unix.EMSGSIZE):
		return nil, nil, s.tooSmall(len(batch))
	case errors.Is(err, unix.ENOBUFS): // netlink_sendmsg could not allocate its copy
		return nil, nil, fmt.Errorf("the kernel has no memory for a batch of %d bytes, nothing was sent: %w", len(batch), err)
	case err != nil:
		return nil, nil, fmt.Errorf("send a batch of %d bytes: %w", len(batch), err)
	}
	var a answers
	err = s.readAnswers(&a)
	return a.acks, a.echoes, err
}

// Answers are what a kernel sends back to a batch.
type answers struct {
	acks   []nlmsg.Ack
	echoes []nlmsg.Message
}

// answers takes what is in the receive buffer, without waiting. What an overrun left in it is read too.
func (s *Socket) readAnswers(to *answers) (overrun error) {
	for {
		b, err := s.poll()
		switch {
		case err == unix.EAGAIN:
			return overrun
		case errors.Is(err, ErrOverrun):
			overrun = err
			continue
		case err != nil:
			return fmt.Errorf("%w: %w", ErrUnanswered, err)
		}
		if err = to.read(b); err != nil {
			return fmt.Errorf("%w: %w", ErrUnanswered, err)
		}
	}
}

// read takes acknowledgements and echoes out of one datagram.
func (a *answers) read(b []byte) error {
	o := nlmsg.Native()
	for len(b) > 0 {
		m, rest, err := nlmsg.NextMessage(o, b)
		if err != nil {
			return err
		}
		b = rest
		if m.Type != nlmsg.TypeError {
			m.Data = bytes.Clone(m.Data)
			a.echoes = append(a.echoes, m)
			continue
		}
		ack, err := nlmsg.ParseAck(o, m)
		if err != nil {
			return err
		}
		a.acks = append(a.acks, ack)
	}
	return nil
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
	if cerr := s.raw.Control(func(fd uintptr) { v, err = unix.GetsockoptInt(int(s.descriptor(fd)), unix.SOL_SOCKET, name) }); cerr != nil {
		return 0, cerr
	}
	return v, err
}
