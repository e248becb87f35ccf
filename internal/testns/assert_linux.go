package testns

import (
	"context"
	"time"
)

// AssertFastPath fails the test unless the flow is proven on a fast path, software or hardware, within a time. See Evidence.Path for
// what counts as proof.
func AssertFastPath(tb TB, r *Router, f *Flow, within time.Duration) Evidence {
	tb.Helper()
	return assertPath(tb, r, f, within, SoftwarePath, HardwarePath)
}

// AssertSoftwarePath is AssertFastPath for the software path alone.
func AssertSoftwarePath(tb TB, r *Router, f *Flow, within time.Duration) Evidence {
	tb.Helper()
	return assertPath(tb, r, f, within, SoftwarePath)
}

// AssertHardwarePath is AssertFastPath for the hardware path alone.
func AssertHardwarePath(tb TB, r *Router, f *Flow, within time.Duration) Evidence {
	tb.Helper()
	return assertPath(tb, r, f, within, HardwarePath)
}

// AssertSlowPath fails the test unless, within a time, the forward hook is seen to take all packets of the flow in both directions.
func AssertSlowPath(tb TB, r *Router, f *Flow, within time.Duration) Evidence {
	tb.Helper()
	return assertPath(tb, r, f, within, SlowPath)
}

func assertPath(tb TB, r *Router, f *Flow, within time.Duration, paths ...Path) Evidence {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	e, err := r.reachesOne(ctx, f, paths...)
	if err != nil {
		tb.Fatalf("%v", err)
	}
	return e
}
