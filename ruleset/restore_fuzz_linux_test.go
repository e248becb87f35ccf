package ruleset_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/kernel"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// TestRestoreRandomlyOnAKernel goes some of these ways on this machine's kernel, with flowtables if it has them.
func TestRestoreRandomlyOnAKernel(t *testing.T) {
	testns.RequireNamespaces(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	flowtables, _ := testns.HaveFlowtables(ctx)
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			ns := testns.NewT(t, "restore")
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
			returnTo(t, &maker{choice: &choice{randomBytes(seed, 2000)}, flowtables: flowtables}, target, k)
		})
	}
}
