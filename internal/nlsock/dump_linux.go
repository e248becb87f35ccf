package nlsock

import (
	"context"
	"iter"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// Dump sends one encoded dump request and streams the answer. A message is valid until the next step. An error is the last
// pair: ErrInterrupted comes after all messages, when the table changed meanwhile. After breaking out early the rest of
// the dump is still under way: Close the socket.
func (s *Socket) Dump(ctx context.Context, request []byte) iter.Seq2[nlmsg.Message, error] {
	return func(yield func(nlmsg.Message, error) bool) {
		if err := s.exchange(ctx, request, func(m nlmsg.Message) bool { return yield(m, nil) }); err != nil {
			yield(nlmsg.Message{}, err)
		}
	}
}

// Do sends one encoded request that asks for an acknowledgement (NLM_F_ACK) and returns copies of the messages that came
// before it.
func (s *Socket) Do(ctx context.Context, request []byte) ([]nlmsg.Message, error) {
	var answer []nlmsg.Message
	err := s.exchange(ctx, request, func(m nlmsg.Message) bool {
		m.Data = append([]byte(nil), m.Data...)
		answer = append(answer, m)
		return true
	})
	return answer, err
}

// exchange sends a request and hands each message of its answer to take, until DONE, an ack, an error, or take's false.
func (s *Socket) exchange(ctx context.Context, request []byte, take func(nlmsg.Message) bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r, err := s.number(request)
	if err != nil {
		return err
	}
	if err := s.send(r); err != nil {
		return err
	}
	defer s.until(ctx)()
	x := answer{seq: s.seq, take: take}
	s.brief = false
	for !x.done {
		if err := ctx.Err(); err != nil { // an answer that is there already ends no wait
			return err
		}
		b, err := s.read()
		if err != nil {
			return because(ctx, err)
		}
		if err := x.datagram(b); err != nil {
			return err
		}
	}
	if x.interrupted {
		return ErrInterrupted
	}
	return nil
}

// An answer follows the messages of one exchange.
type answer struct {
	seq         uint32
	take        func(nlmsg.Message) bool
	interrupted bool
	done        bool
}

func (x *answer) datagram(b []byte) error {
	o := nlmsg.Native()
	for len(b) > 0 && !x.done {
		m, rest, err := nlmsg.NextMessage(o, b)
		if err != nil {
			return err
		}
		b = rest
		if m.Seq != x.seq {
			continue // left over from an exchange that was broken off
		}
		if err := x.message(o, m); err != nil {
			return err
		}
	}
	return nil
}

func (x *answer) message(o nlmsg.Order, m nlmsg.Message) error {
	if m.Flags&nlmsg.FlagMulti != 0 && m.Flags&nlmsg.FlagDumpIntr != 0 {
		x.interrupted = true
	}
	switch {
	case m.Type == nlmsg.TypeError, m.Type == nlmsg.TypeDone && len(m.Data) >= 4:
		x.done = true
		ack, err := nlmsg.ParseAck(o, m)
		if err == nil && ack.Errno != 0 {
			err = &RequestError{ack}
		}
		return err
	case m.Type == nlmsg.TypeDone:
		x.done = true
	case m.Type > nlmsg.TypeOverrun:
		if !x.take(m) {
			x.done, x.interrupted = true, false
		}
	}
	return nil
}
