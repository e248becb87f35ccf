package nlsock

import (
	"context"
	"errors"
	"iter"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// Events streams what the socket's groups announce. A message is valid until the next step. An error that matches
// ErrOverrun is news, not the end: the stream goes on if the caller does. Any other error is the last pair; ctx's own when
// ctx ended, after which Events can be called again without a loss.
func (s *Socket) Events(ctx context.Context) iter.Seq2[nlmsg.Message, error] {
	return func(yield func(nlmsg.Message, error) bool) {
		defer s.until(ctx)()
		for {
			b, err := s.read()
			if err != nil {
				if !yield(nlmsg.Message{}, because(ctx, err)) || !errors.Is(err, ErrOverrun) {
					return
				}
				continue
			}
			for len(b) > 0 {
				m, rest, err := nlmsg.NextMessage(nlmsg.Native(), b)
				if !yield(m, err) || err != nil {
					return
				}
				b = rest
			}
		}
	}
}
