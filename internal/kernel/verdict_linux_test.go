package kernel

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/nlsock"
	"github.com/go-fastpath/fastpath/ruleset"
)

// What nfnetlink answers to a batch, and what it means.
func TestVerdict(t *testing.T) {
	ok := nlmsg.Ack{Seq: 3}
	refused := nlmsg.Ack{Seq: 2, Errno: 2, Text: "text", Offset: 20}
	require.NoError(t, verdict([]nlmsg.Ack{ok}, nil))

	for name, test := range map[string]struct {
		acks    []nlmsg.Ack
		err     error
		unknown bool
		refused []int
	}{
		"no answer at all":             {nil, nil, true, nil},
		"answers unreadable":           {[]nlmsg.Ack{ok}, fmt.Errorf("%w: why", nlsock.ErrUnanswered), true, nil},
		"answers lost":                 {[]nlmsg.Ack{ok}, nlsock.ErrOverrun, true, nil},
		"answers lost, one error seen": {[]nlmsg.Ack{refused}, nlsock.ErrOverrun, false, []int{2}},
		"one refused, one fine":        {[]nlmsg.Ack{refused, ok}, nil, false, []int{2}},
		"the commit failed, acks come": {[]nlmsg.Ack{{Seq: 0, Errno: 12}, ok}, nil, false, []int{0}},
	} {
		t.Run(name, func(t *testing.T) {
			var e *ruleset.CommitError
			require.ErrorAs(t, verdict(test.acks, test.err), &e)
			assert.Equal(t, test.unknown, e.Unknown)
			var messages []int
			for _, r := range e.Refusals {
				messages = append(messages, r.Message)
			}
			assert.Equal(t, test.refused, messages)
		})
	}
	var e *ruleset.CommitError
	require.ErrorAs(t, verdict([]nlmsg.Ack{refused}, nil), &e)
	assert.Equal(t, ruleset.Refusal{Message: 2, Errno: 2, Text: "text", Offset: 20}, e.Refusals[0])
	require.ErrorIs(t, verdict(nil, nlsock.ErrSendBuffer), nlsock.ErrSendBuffer)
	require.ErrorIs(t, verdict(nil, context.Canceled), context.Canceled)
}
