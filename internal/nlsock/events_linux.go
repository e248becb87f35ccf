package nlsock

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// Events streams what the socket's groups announce. A message is valid until the next step. An error that matches
// ErrOverrun is news, not the end: the stream goes on if the caller does. It comes behind what was queued before the loss, so that
// who looks at the state then has seen all that was lost. Any other error is the last pair; ctx's own when ctx ended. After
// that, and after breaking out, Events can be called again without a loss.
//
// To be woken costs more than to receive. With Config.Gather a stream that has read all that was queued, twice within that time, sleeps
// for the rest of it: of many notifications some come so much later, and of few none.
func (s *Socket) Events(ctx context.Context) iter.Seq2[nlmsg.Message, error] {
	return func(yield func(nlmsg.Message, error) bool) {
		defer s.until(ctx)()
		for s.rest(ctx, yield) {
			b, err := s.next(true)
			s.unread = b
			if err != nil {
				if !yield(nlmsg.Message{}, because(ctx, err)) || !errors.Is(err, ErrOverrun) {
					return
				}
			}
		}
	}
}

// Queued streams what the socket's groups announced and is still unread, and ends, without an error, when nothing is left.
// It never waits; otherwise it is as Events.
func (s *Socket) Queued(ctx context.Context) iter.Seq2[nlmsg.Message, error] {
	return func(yield func(nlmsg.Message, error) bool) {
		for s.rest(ctx, yield) {
			if err := ctx.Err(); err != nil {
				yield(nlmsg.Message{}, err)
				return
			}
			b, err := s.next(false)
			s.unread = b
			switch {
			case errors.Is(err, unix.EAGAIN):
				return
			case err != nil:
				if !yield(nlmsg.Message{}, err) || !errors.Is(err, ErrOverrun) {
					return
				}
			}
		}
	}
}

// rest yields what is left of what was read: many datagrams, and the kernel puts several notifications into one. It reports whether
// the stream goes on.
func (s *Socket) rest(ctx context.Context, yield func(nlmsg.Message, error) bool) bool {
	for len(s.unread) > 0 {
		if err := s.over(ctx); err != nil {
			yield(nlmsg.Message{}, err)
			return false
		}
		m, rest, err := nlmsg.NextMessage(nlmsg.Native(), s.unread)
		s.unread = rest
		if !yield(m, err) || err != nil {
			return false
		}
	}
	return true
}

// over is why a stream ends although there is something to tell.
func (s *Socket) over(ctx context.Context) error {
	if s.closed.Load() {
		return fmt.Errorf("netlink socket: %w", os.ErrClosed)
	}
	return ctx.Err()
}

// next takes what comes next in a stream. Once a buffer has overrun, the kernel throws everything away until it was read empty
// (NETLINK_S_CONGESTED), and tells so but once, at the beginning: the overrun is therefore handed on at the end of that time. Datagrams
// beside it came before it was told, and may be younger than the loss.
func (s *Socket) next(wait bool) ([]byte, error) {
	for {
		b, err := s.readQueue(wait && s.behind == 0)
		switch {
		case errors.Is(err, ErrOverrun):
			again := s.behind > 0 // the buffer was empty in between
			if s.behind, err = s.capacity(); again || err != nil {
				return nil, errors.Join(ErrOverrun, err)
			}
			continue
		case s.behind > 0 && err == nil:
			if s.behind = max(0, s.behind-s.datagrams); s.behind == 0 {
				return b, ErrOverrun
			}
		case s.behind > 0 && errors.Is(err, unix.EAGAIN):
			s.behind = 0
			return nil, ErrOverrun
		}
		return b, err
	}
}

// queueSize is the buffer of a socket that listens: notifications are taken off the queue until less than readSize is left of it.
const queueSize = 2 * readSize

// readQueue takes the datagrams that are queued, one behind the other, as far as the buffer reaches. The bytes are valid until the next read.
// Without waiting, unix.EAGAIN says that nothing is there.
func (s *Socket) readQueue(wait bool) ([]byte, error) {
	s.unread, s.datagrams = nil, 0
	if s.err, s.held = s.held, nil; s.err == nil {
		if err := s.receiveGathered(wait); err != nil {
			return nil, s.gone(err)
		}
	}
	if s.datagrams > 0 {
		s.held = s.err
		return s.buf[:s.n], nil
	}
	return s.datagram()
}

// receiveGathered takes what is queued, and sleeps before it waits for more.
func (s *Socket) receiveGathered(wait bool) error {
	if wait && s.gather > 0 {
		s.wait = false
		if err := s.raw.Read(s.receiveQueue); err != nil || s.err != unix.EAGAIN {
			return err
		}
		time.Sleep(s.gather - time.Since(s.emptied))
		s.emptied = time.Now()
	}
	s.wait = wait
	return s.raw.Read(s.receiveQueue)
}

// receiveMany takes what is queued. An error behind some datagrams is held back: the kernel tells of an overrun only once.
func (s *Socket) receiveMany(fd uintptr) bool {
	s.n, s.datagrams, s.err = 0, 0, nil
	s.quiet.disarm(fd)
	for len(s.buf)-s.n >= readSize {
		n, err := receiveFrom(s.descriptor(fd), s.buf[s.n:], true)
		switch {
		case err == unix.EAGAIN && s.datagrams > 0:
			return true
		case err != nil:
			s.err = err
			return err != unix.EAGAIN || !s.wait || !s.quiet.arm(fd)
		}
		s.n += nlmsg.Align(n)
		s.datagrams++
	}
	return true
}

// capacity is more than the receive buffer can hold datagrams: one takes at least the kernel's bookkeeping.
func (s *Socket) capacity() (int, error) {
	const bookkeeping = 256
	have, err := s.option(unix.SO_RCVBUF)
	return have/bookkeeping + 1, err
}
