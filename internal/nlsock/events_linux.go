package nlsock

import (
	"context"
	"errors"
	"iter"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// Events streams what the socket's groups announce. A message is valid until the next step. An error that matches
// ErrOverrun is news, not the end: the stream goes on if the caller does. It comes behind what was queued before the loss, so that
// who looks at the state then has seen all that was lost. Any other error is the last pair; ctx's own when ctx ended. After
// that, and after breaking out, Events can be called again without a loss.
func (s *Socket) Events(ctx context.Context) iter.Seq2[nlmsg.Message, error] {
	return func(yield func(nlmsg.Message, error) bool) {
		defer s.until(ctx)()
		for s.rest(yield) {
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
		for s.rest(yield) {
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

// rest yields what is left of the last datagram: the kernel puts several notifications into one. It reports whether the
// stream goes on.
func (s *Socket) rest(yield func(nlmsg.Message, error) bool) bool {
	for len(s.unread) > 0 {
		m, rest, err := nlmsg.NextMessage(nlmsg.Native(), s.unread)
		s.unread = rest
		if !yield(m, err) || err != nil {
			return false
		}
	}
	return true
}

// next takes the next datagram of a stream. Once a buffer has overrun, the kernel throws everything away until it was read empty
// (NETLINK_S_CONGESTED), and tells so but once, at the beginning: the overrun is therefore handed on at the end of that time. A datagram
// beside it comes after the loss.
func (s *Socket) next(wait bool) ([]byte, error) {
	for {
		read := s.poll
		if wait && s.behind == 0 {
			read = s.read
		}
		b, err := read()
		switch {
		case errors.Is(err, ErrOverrun):
			again := s.behind > 0 // the buffer was empty in between
			if s.behind, err = s.capacity(); again || err != nil {
				return nil, errors.Join(ErrOverrun, err)
			}
			continue
		case s.behind > 0 && err == nil:
			if s.behind--; s.behind == 0 {
				return b, ErrOverrun
			}
		case s.behind > 0 && errors.Is(err, unix.EAGAIN):
			s.behind = 0
			return nil, ErrOverrun
		}
		return b, err
	}
}

// capacity is more than the receive buffer can hold datagrams: one takes at least the kernel's bookkeeping.
func (s *Socket) capacity() (int, error) {
	const bookkeeping = 256
	have, err := s.option(unix.SO_RCVBUF)
	return have/bookkeeping + 1, err
}
