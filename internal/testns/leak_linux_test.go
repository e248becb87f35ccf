package testns

import (
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestLeaksAreFound leaves each kind of thing behind on purpose and wants it named.
func TestLeaksAreFound(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	before, err := Holdings()
	require.NoError(t, err)
	require.Empty(t, before)

	n := NewNamedT(t, "a")
	server, err := Serve(n, 9)
	require.NoError(t, err)
	sleeper := exec.Command("sleep", "60")
	require.NoError(t, n.Start(sleeper))
	inside, leave := make(chan struct{}), make(chan struct{})
	left := make(chan error)
	go func() { left <- n.Do(func() error { close(inside); <-leave; return nil }) }()
	<-inside

	// A child moves to another thread's list when the thread that started it ends, and a reading in that moment misses it.
	var held []string
	found := func() bool {
		return slices.Contains(held, "/run/netns/"+n.Name()) &&
			!slices.ContainsFunc([]string{"thread ", "descriptor ", ", socket:", "child process "}, func(want string) bool { return !anyContains(held, want) })
	}
	err = Poll(t.Context(), 5*time.Millisecond, func() (bool, error) {
		held, err = Holdings()
		return found(), err
	})
	require.NoError(t, err, "found only %q", held)

	close(leave)
	require.NoError(t, <-left)
	require.NoError(t, sleeper.Process.Kill())
	require.Error(t, sleeper.Wait())
	require.NoError(t, server.Close())
}

// TestFailureMidwayLeavesNothing fails a test, at several points, and wants nothing left.
func TestFailureMidwayLeavesNothing(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	for name, test := range map[string]func(tb *fakeTB){
		"between": func(tb *fakeTB) {
			NewRouterT(tb, nil).DialT(tb, "tcp", IPv4).Start(100, 100)
			tb.Fatalf("on purpose")
		},
		"named":    func(tb *fakeTB) { NewNamedT(tb, "a"); tb.Fatalf("on purpose") },
		"build":    func(tb *fakeTB) { NewRouterT(tb, &RouterConfig{LANDevice: "a name that is too long"}) },
		"sysctl":   func(tb *fakeTB) { NewRouterT(tb, &RouterConfig{Sysctls: map[string]string{"net.nosuch": "1"}}) },
		"assert":   func(tb *fakeTB) { failingAssert(tb) },
		"dial":     func(tb *fakeTB) { NewRouterT(tb, nil).DialT(tb, "sctp", IPv4) },
		"the port": func(tb *fakeTB) { ServeT(tb, NewT(tb, "a"), 0) },
	} {
		t.Run(name, func(t *testing.T) {
			CheckLeaks(t)
			tb := runFake(test)
			if tb.skipped && name == "named" {
				t.Skipf("names are for root: %s", tb.text())
			}
			assert.True(t, tb.failed)
			assert.Len(t, tb.errors, 1, "the failure itself, and none in the clean-up")
		})
	}
}

func failingAssert(tb *fakeTB) {
	r := NewRouterT(tb, nil)
	AssertFastPath(tb, r, r.DialT(tb, "udp", IPv4), time.Millisecond)
}
