package ruleset_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/kernel"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// TestDiffRandomlyOnAKernel goes some of the fuzzer's ways on this machine's kernel, with flowtables if it has them. What a
// declaration alone brings is seen on the imitated kernel: so it is held too. FASTPATH_SOAK says for how long; else it is a sample.
func TestDiffRandomlyOnAKernel(t *testing.T) {
	testns.RequireNamespaces(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	flowtables, reason := testns.HaveFlowtables(ctx)
	require.True(t, flowtables || os.Getenv("FASTPATH_VM") == "", reason)
	for seed := range uint64(12) {
		walkOnKernel(t, seed, flowtables)
	}
}

// TestSoakDiff is TestDiffRandomlyOnAKernel for as long as FASTPATH_SOAK says, or for one way.
func TestSoakDiff(t *testing.T) {
	testns.RequireFlowtables(t)
	var end time.Time
	if text := os.Getenv("FASTPATH_SOAK"); text != "" {
		d, err := time.ParseDuration(text)
		require.NoError(t, err, "FASTPATH_SOAK")
		end = time.Now().Add(d)
	}
	seed := uint64(1000)
	for ; seed == 1000 || time.Now().Before(end); seed++ {
		walkOnKernel(t, seed, true)
	}
	t.Logf("%d ways", seed-1000)
}

func walkOnKernel(t *testing.T, seed uint64, flowtables bool) {
	t.Run(fmt.Sprint(seed), func(t *testing.T) {
		ns := testns.NewT(t, "fuzz")
		if flowtables {
			for _, d := range append(fuzzDevices, "extrafa") {
				require.NoError(t, ns.IP(t.Context(), "link add "+d+" type dummy"))
			}
		}
		k, err := kernel.Open(ns.Path())
		require.NoError(t, err)
		defer func() { require.NoError(t, k.Close()) }()
		target, err := k.Target(t.Context())
		require.NoError(t, err)
		walk(t, &maker{choice: &choice{randomBytes(seed, 2000)}, flowtables: flowtables}, target, k, 4)
	})
}
