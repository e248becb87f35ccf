package kernel

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

func TestMain(m *testing.M) {
	if child := os.Getenv(childVariable); child != "" {
		os.Exit(runChild(child))
	}
	goleak.VerifyTestMain(m)
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// openT opens the kernel in a fresh namespace.
func openT(t *testing.T) (*testns.Namespace, *Kernel) {
	t.Helper()
	testns.CheckLeaks(t)
	outer := testns.NewT(t, t.Name())
	k, err := Open(outer.Path())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, k.Close()) })
	return outer, k
}

// batchOf compiles a Spec for an empty kernel.
func batchOf(t *testing.T, spec *ruleset.Spec) *ruleset.Batch {
	t.Helper()
	resolved, err := spec.Resolve(nil)
	require.NoError(t, err)
	plan, err := ruleset.Diff(nil, resolved)
	require.NoError(t, err)
	batch, err := plan.Batch(nil)
	require.NoError(t, err)
	return batch
}

// load reads what the kernel holds.
func load(t *testing.T, k *Kernel) *ruleset.Loaded {
	t.Helper()
	l, err := ruleset.Load("", k.Dump(testContext(t)))
	require.NoError(t, err)
	return l
}
