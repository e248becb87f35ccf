package offload

import (
	"context"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == asWatchdog {
		_ = Watchdog(context.Background(), nil)
		return
	}
	if child := os.Getenv(childVariable); child != "" {
		os.Exit(runChild(child))
	}
	goleak.VerifyTestMain(m)
}

// childVariable makes this test binary run one of children instead of the tests, with less privilege.
const childVariable = "FASTPATH_OFFLOAD_CHILD"

// asWatchdog is the argument that makes this test binary the watchdog of ApplyConfirm.
const asWatchdog = "watchdog"

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}
