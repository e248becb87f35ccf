package kernel

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

const nobody = 65534

func isOpen(c <-chan struct{}) bool {
	select {
	case <-c:
		return false
	default:
		return true
	}
}

// One holds a lock, per owner; who comes second is told who.
func TestLock(t *testing.T) {
	_, k := openT(t)
	ctx := testContext(t)
	long := strings.Repeat("long", 60)
	for _, owner := range []string{"a", long, ""} {
		lost, release, err := k.Lock(ctx, owner, false)
		require.NoError(t, err)
		_, _, err = k.Lock(ctx, owner, false)
		require.ErrorIs(t, err, ErrRunning)
		assert.ErrorContains(t, err, fmt.Sprintf("process %d", os.Getpid()))
		_, other, err := k.Lock(ctx, owner+"b", false)
		require.NoError(t, err, "of another owner")
		require.NoError(t, other())
		assert.True(t, isOpen(lost), "nobody asked for it")
		require.NoError(t, release())
		require.NoError(t, release(), "again")
		_, release, err = k.Lock(ctx, owner, false)
		require.NoError(t, err)
		require.NoError(t, release())
	}
}

// Whoever asks for a takeover waits until the holder released, several one after the other.
func TestLockTakeover(t *testing.T) {
	_, k := openT(t)
	ctx := testContext(t)
	lost, release, err := k.Lock(ctx, "a", false)
	require.NoError(t, err)
	const heirs = 3
	done := make(chan error, heirs)
	for range heirs {
		go func() {
			lost, release, err := k.Lock(ctx, "a", true)
			if err == nil {
				err = release()
				_ = lost
			}
			done <- err
		}()
	}
	select {
	case <-lost:
	case err := <-done:
		require.FailNow(t, "two hold the lock", "%v", err)
	}
	select {
	case err := <-done:
		require.FailNow(t, "two hold the lock", "%v", err)
	default:
	}
	require.NoError(t, release())
	for range heirs {
		require.NoError(t, <-done)
	}
	_, release, err = k.Lock(ctx, "a", false)
	require.NoError(t, err)
	require.NoError(t, release())
}

// A takeover from one who does not leave ends with ctx.
func TestLockTakeoverGivesUp(t *testing.T) {
	_, k := openT(t)
	lost, release, err := k.Lock(testContext(t), "a", false)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	go func() {
		<-lost
		cancel()
	}()
	_, _, err = k.Lock(ctx, "a", true)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, release())
}

// A lock is that of a network namespace.
func TestLockOfOtherNamespace(t *testing.T) {
	_, a := openT(t)
	other := testns.NewT(t, "other")
	b, err := Open(other.Path())
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, b.Close()) })
	for _, k := range []*Kernel{a, b} {
		_, release, err := k.Lock(testContext(t), "a", false)
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, release()) })
	}
}

// A lock is free when its process ends, however it does; one who waits for it has it then.
func TestLockOfKilledProcess(t *testing.T) {
	testns.RequireNamespaces(t)
	ns, k := openT(t)
	ctx := testContext(t)
	for _, takeover := range []bool{false, true} {
		cmd, end := startChild(t, ns, childHolds, 0)
		_, _, err := k.Lock(ctx, childOwner, false)
		require.ErrorIs(t, err, ErrRunning)
		assert.ErrorContains(t, err, fmt.Sprintf("process %d", cmd.Process.Pid))
		if takeover { // the child never leaves by itself
			time.AfterFunc(20*time.Millisecond, func() { _ = cmd.Process.Signal(syscall.SIGKILL) })
		} else {
			end(syscall.SIGKILL)
		}
		_, release, err := k.Lock(ctx, childOwner, takeover)
		require.NoError(t, err)
		require.NoError(t, release())
		end(syscall.SIGKILL)
	}
}

// Other users can neither have a holder leave nor pass for one.
func TestLockAndOtherUsers(t *testing.T) {
	testns.RequireNamespaces(t)
	if os.Geteuid() != 0 {
		t.Skip("needs root, to become somebody else")
	}
	ns, k := openT(t)
	ctx := testContext(t)
	lost, release, err := k.Lock(ctx, childOwner, false)
	require.NoError(t, err)
	_, end := startChild(t, ns, childAsks, nobody) // ready when the holder hung up
	end(syscall.SIGKILL)
	assert.True(t, isOpen(lost))
	require.NoError(t, release())

	_, end = startChild(t, ns, childOccupies, nobody)
	for _, takeover := range []bool{false, true} {
		_, _, err = k.Lock(ctx, childOwner, takeover)
		require.ErrorIs(t, err, ErrRunning)
		assert.ErrorContains(t, err, fmt.Sprintf("user %d", nobody))
	}
	end(syscall.SIGKILL)
	_, release, err = k.Lock(ctx, childOwner, false)
	require.NoError(t, err)
	require.NoError(t, release())
}
