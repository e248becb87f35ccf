package conntrack

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// An endingState is where a stream can be when it is ended.
type endingState struct {
	name    string
	arrange func(t *testing.T, e *ending)                        // has end called there; nil where the caller is there in a step
	step    func(e *ending, t *testing.T, c Change) (there bool) // the caller's; nil where it has none
	breaks  bool                                                 // the caller can break out there
}

func endingStates() []endingState {
	return []endingState{
		{name: "waiting", arrange: endWhileItWaits},
		{name: "in a dump of what does not match", arrange: endInADump},
		{name: "lookups", arrange: endInLookups, step: (*ending).startLookups},
		{name: "snapshot", breaks: true, step: func(e *ending, _ *testing.T, _ Change) bool { return e.seen == bigTable()/2 }},
		{name: "the caller is busy", breaks: true, step: (*ending).endElsewhere},
		{name: "resynchronization", breaks: true, step: (*ending).overrun},
	}
}

func endWhileItWaits(_ *testing.T, e *ending) {
	e.poll = never
	e.source.inWait = atCall(1, func() { go e.end() })
}

func endInADump(_ *testing.T, e *ending) {
	e.match = Match{Proto: TCP}
	e.source.inDump = atCall(bigTable()/2, func() { e.end() })
}

// manyLookups are as many as a reading looks up one by one.
var manyLookups = usualLimits().manyLookups

// endInLookups follows connections by a mark. Of these a reading does not find those that bear another by then, and each is looked up.
func endInLookups(t *testing.T, e *ending) {
	e.match = Match{Mark: 7}
	require.NoError(t, e.b.fill(e.ctx, 1<<21, manyLookups, 7))
	e.clear = func() { require.NoError(t, e.remove(1<<21, manyLookups)) }
	e.source.inLookup = atCall(manyLookups/2, func() { e.end() })
}

func (e *ending) startLookups(t *testing.T, c Change) bool {
	if c.Kind == Synced {
		for i := range manyLookups {
			e.b.mark(numbered(1<<21+i), 8)
		}
		require.NoError(t, e.b.send(e.ctx))
	}
	return false
}

// endElsewhere has another goroutine end the stream during the caller's step.
func (e *ending) endElsewhere(_ *testing.T, c Change) bool {
	if c.Kind != Synced {
		return false
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if !e.brk {
			e.end()
		}
	}()
	<-ended
	return true
}

// overrun makes more notifications than the queue holds, and ends the stream in the reading that follows.
func (e *ending) overrun(t *testing.T, c Change) bool {
	switch c.Kind {
	case Synced:
		require.NoError(t, e.b.fill(e.ctx, 1<<20, 1000, 0))
		require.NoError(t, e.remove(1<<20, 1000))
	case Overrun:
		e.source.inDump = atCall(10, func() { e.end() })
	}
	return c.Kind == Overrun && e.brk
}

func (e *ending) remove(first, n int) error {
	for i := range n {
		e.b.remove(numbered(first + i))
	}
	return e.b.send(e.ctx)
}

// bigTable is how many connections the table of these tests has; under emulation a tenth will do.
func bigTable() int {
	if os.Getenv("FASTPATH_VM") != "" {
		return 2000
	}
	return 20000
}
