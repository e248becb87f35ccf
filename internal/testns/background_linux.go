package testns

import (
	"context"
	"errors"
	"sync"
	"time"
)

// A Report is what a Background has done so far. It is a plain value.
type Report struct {
	Sent       int           // messages sent, repetitions included
	Received   int           // messages answered
	Lost       int           // messages without an answer within a second (UDP), or when Close gave up
	LongestGap time.Duration // the longest time between two answers
	Err        error         // what ended the traffic before Close, or nil
}

// A Background is steady traffic on one flow. It is safe for concurrent use.
type Background struct {
	flow *Flow
	size int
	stop chan struct{} // closed by Close
	once sync.Once
	done chan struct{} // closed when the traffic has ended

	mu     sync.Mutex
	report Report
}

// closeGrace is how long Close waits for the answer to the message under way.
const closeGrace = 2 * time.Second

// Start sends perSecond messages of size bytes a second, or as many as their round trips allow, until Close. Meanwhile the flow takes
// other operations too, in turn.
func (f *Flow) Start(perSecond, size int) *Background {
	b := &Background{flow: f, size: size, stop: make(chan struct{}), done: make(chan struct{})}
	go b.run(time.Second / time.Duration(max(perSecond, 1)))
	return b
}

func (b *Background) run(every time.Duration) {
	defer close(b.done)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go b.cancelAfterGrace(ctx, cancel)
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := time.Now()
	for {
		talk, err := b.flow.RoundTrip(ctx, 1, b.size)
		b.count(talk, time.Since(last), err)
		if err != nil {
			return
		}
		last = time.Now()
		select {
		case <-b.stop:
			return
		case <-tick.C:
		}
	}
}

// cancelAfterGrace gives up the message under way some time after Close. It ends with ctx.
func (b *Background) cancelAfterGrace(ctx context.Context, cancel context.CancelFunc) {
	select {
	case <-ctx.Done():
		return
	case <-b.stop:
	}
	grace := time.NewTimer(closeGrace)
	defer grace.Stop()
	select {
	case <-ctx.Done():
	case <-grace.C:
		cancel()
	}
}

func (b *Background) count(talk Talk, gap time.Duration, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.report.Sent += talk.Messages + talk.Resent
	b.report.Received += talk.Messages
	b.report.Lost += talk.Resent
	b.report.LongestGap = max(b.report.LongestGap, gap)
	if errors.Is(err, context.Canceled) {
		// Given up by Close: sent, and lost.
		b.report.Sent++
		b.report.Lost++
	} else {
		b.report.Err = err
	}
}

// Report is what happened so far.
func (b *Background) Report() Report {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.report
}

// Close stops the traffic, not the flow, and returns the final report. It waits up to two seconds for the answer to the message under
// way; a TCP flow that got none is broken. Close may be called again.
func (b *Background) Close() Report {
	b.once.Do(func() { close(b.stop) })
	<-b.done
	return b.Report()
}
