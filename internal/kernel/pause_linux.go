package kernel

import (
	"context"
	"time"
)

// pause waits before try n of something that others' changes interrupted: nothing before the first two, then 1, 2, 4 ...
// milliseconds.
func pause(ctx context.Context, try int) error {
	if try < 2 {
		return ctx.Err()
	}
	timer := time.NewTimer(time.Millisecond << (try - 2))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
