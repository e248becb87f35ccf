package testns

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// defaultTimeout ends operations whose context has no deadline. Software emulation is some twenty times slower than hardware.
const defaultTimeout = 30 * time.Second

// withDeadline gives a context that surely ends.
func withDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, defaultTimeout)
}

// Poll asks for a condition, at once and then every so often, until it holds. An error of the condition ends it; so does the end of
// ctx, or 30 seconds when ctx has no deadline.
func Poll(ctx context.Context, every time.Duration, condition func() (bool, error)) error {
	ctx, cancel := withDeadline(ctx)
	defer cancel()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		ok, err := condition()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("testns: condition not met: %w", context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// isTimeout tells an expired deadline of a socket from other errors.
func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// expired reports whether ctx has ended, or its deadline passed without its timer having fired yet.
func expired(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && !time.Now().Before(deadline)
}
