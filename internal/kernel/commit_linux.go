package kernel

import (
	"context"
	"errors"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/nlsock"
	"github.com/go-fastpath/fastpath/ruleset"
)

// Commit sends a batch as one transaction: all of it is in force afterwards, or nothing. It returns what the kernel echoed of
// messages that ask for it. What the kernel refuses is a *ruleset.CommitError; a batch that does not fit the socket and may not
// make it larger matches nlsock.ErrSendBuffer.
func (k *Kernel) Commit(ctx context.Context, b *ruleset.Batch) ([]ruleset.Message, error) {
	return k.send(ctx, b.Bytes(), b.Messages())
}

// Check sends a batch without its end: the kernel validates it as for a commit and takes everything back. Drivers are really
// asked where a flowtable has the hardware flag, and rules that test ct packets or bytes really turn accounting on.
func (k *Kernel) Check(ctx context.Context, b *ruleset.Batch) error {
	_, err := k.send(ctx, b.DryRun(), b.Messages()-1)
	return err
}

// send dials a socket for one batch, so that no answer of another can be taken for its.
func (k *Kernel) send(ctx context.Context, batch []byte, messages int) ([]ruleset.Message, error) {
	sock, err := k.dial()
	if err != nil {
		return nil, err
	}
	defer sock.Close()
	acks, echoes, err := sock.CommitEchoes(ctx, batch, messages)
	if err := verdict(acks, err); err != nil {
		return nil, err
	}
	list := make([]ruleset.Message, len(echoes))
	for i, m := range echoes {
		list[i] = ruleset.Message{Type: m.Type, Flags: m.Flags, Data: m.Data}
	}
	return list, nil
}

// verdict reads the answers to a batch. One error is enough for the whole to be refused. The last message asks for an
// acknowledgement: if nothing at all came back, or answers were lost and none of the others is an error, nobody knows.
//
// BATCH_BEGIN asks for none, though Linux 6.10 and later would answer: they put that acknowledgement down before they read the rest, deliver
// it with batches that are refused or have no end, and drop it with all others where they drop a batch (TestCommitAckOfBegin). It comes where
// the last message's comes, tells no more, and one that came alone would pass for an answer.
func verdict(acks []nlmsg.Ack, err error) error {
	if err != nil && !errors.Is(err, nlsock.ErrOverrun) && !errors.Is(err, nlsock.ErrUnanswered) {
		return err
	}
	var refusals []ruleset.Refusal
	for _, a := range acks {
		if a.Errno != 0 {
			refusals = append(refusals, ruleset.Refusal{Message: int(a.Seq), Errno: int(a.Errno), Text: a.Text, Offset: a.Offset})
		}
	}
	switch {
	case len(refusals) > 0:
		return &ruleset.CommitError{Refusals: refusals}
	case err != nil || len(acks) == 0:
		return &ruleset.CommitError{Unknown: true}
	}
	return nil
}
