package offload_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestNamespaceIsDeleted deletes the name of a namespace under a Run and a Watcher: both end and say why, and the kernel ends the namespace
// though the Manager and the Watcher are still open. Where the namespace was opened by another path than its name, nobody can know.
func TestNamespaceIsDeleted(t *testing.T) {
	testns.CheckLeaks(t)
	neighbour := testns.NewT(t, "neighbour")
	for name, path := range map[string]func(*testns.Namespace) string{
		"name": (*testns.Namespace).Name,
		"path": func(ns *testns.Namespace) string { return "/run/netns/" + ns.Name() },
	} {
		t.Run(name, func(t *testing.T) {
			ns := testns.NewNamedT(t, "gone")
			require.NoError(t, neighbour.IP(t.Context(), "link add witness type veth peer name inside netns "+ns.ToolPath()))
			m, err := offload.Open(t.Context(), &offload.Config{NetNS: path(ns)})
			require.NoError(t, err)
			defer m.Close()
			run := make(chan error, 1)
			spec := &ruleset.Spec{Tables: []ruleset.Table{{Name: "fw", Chains: []ruleset.Chain{{Name: "in", Hook: ruleset.Input}}}}}
			go func() { run <- m.Run(t.Context(), spec) }()
			until(t, m, func(s *offload.Status) bool { return s.Phase == offload.PhaseSteady })
			w, err := m.Watch(t.Context(), &conntrack.Config{Poll: 20 * time.Millisecond})
			require.NoError(t, err)
			defer w.Close()
			synced, watch := make(chan struct{}), make(chan error, 1)
			go func() {
				for c, err := range w.Changes(t.Context(), conntrack.Match{}) {
					if err != nil {
						watch <- err
					} else if c.Kind == conntrack.Synced {
						close(synced)
					}
				}
			}()
			<-synced

			require.NoError(t, ns.Close())
			for who, ended := range map[string]chan error{"Run": run, "Changes": watch} {
				select {
				case err := <-ended:
					require.ErrorIs(t, err, offload.ErrNamespaceGone, who)
					require.ErrorContains(t, err, ns.Name())
				case <-time.After(within):
					require.Fail(t, who+" does not end")
				}
			}
			s := until(t, m, func(s *offload.Status) bool { return s.Phase == offload.PhaseStopped })
			assert.Contains(t, s.Err, "was deleted")
			require.NoError(t, testns.Poll(t.Context(), 20*time.Millisecond, func() (bool, error) {
				return neighbour.IP(t.Context(), "link show witness") != nil, nil
			}), "the namespace lives on")
			_, err = m.Plan(t.Context(), spec)
			require.ErrorIs(t, err, offload.ErrNamespaceGone)
			require.ErrorIs(t, m.Run(t.Context(), spec), offload.ErrNamespaceGone)
		})
	}

	ns := testns.NewNamedT(t, "kept")
	m, err := offload.Open(t.Context(), &offload.Config{NetNS: fmt.Sprintf("/proc/self/fd/%d", ns.FD())})
	require.NoError(t, err)
	defer m.Close()
	require.NoError(t, ns.Close())
	ctx, cancel := context.WithCancel(t.Context())
	run := make(chan error, 1)
	go func() { run <- m.Run(ctx, &ruleset.Spec{}) }()
	until(t, m, func(s *offload.Status) bool { return s.Phase == offload.PhaseSteady })
	cancel()
	require.ErrorIs(t, <-run, context.Canceled)
}
