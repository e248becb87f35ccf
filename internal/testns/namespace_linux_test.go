package testns

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// devices lists the devices of a namespace, without those that modules of tunnels put into every namespace.
func devices(t *testing.T, n *Namespace) []string {
	t.Helper()
	var names []string
	err := n.Do(func() error {
		links, err := net.Interfaces()
		for _, l := range links {
			if !slices.Contains([]string{"tunl0", "sit0", "ip6tnl0", "gre0", "gretap0", "erspan0", "ip6gre0"}, l.Name) {
				names = append(names, l.Name)
			}
		}
		return err
	})
	require.NoError(t, err)
	return names
}

func TestNamespaceIsIsolated(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	ctx := t.Context()
	a, b := NewT(t, "a"), NewT(t, "b")
	require.NoError(t, a.IP(ctx, "link add d0 type veth peer name d1", "link set d0 up"))

	assert.ElementsMatch(t, []string{"lo", "d0", "d1"}, devices(t, a))
	assert.ElementsMatch(t, []string{"lo"}, devices(t, b))
	own, err := net.Interfaces()
	require.NoError(t, err)
	for _, l := range own {
		assert.NotEqual(t, "d0", l.Name, "the device is in the process's own namespace")
	}
}

func TestDoEntersAndTheThreadGoes(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	n := NewT(t, "a")
	home, err := os.Readlink("/proc/self/ns/net")
	require.NoError(t, err)

	var inside string
	var thread int
	require.NoError(t, n.Do(func() (err error) {
		thread = unix.Gettid()
		inside, err = os.Readlink(threadNS)
		return err
	}))
	assert.NotEqual(t, home, inside)
	assert.NotEqual(t, os.Getpid(), thread, "work on the main thread")

	now, err := os.Readlink("/proc/self/ns/net")
	require.NoError(t, err)
	assert.Equal(t, home, now)
}

// TestDoOffTheMainThread makes it likely that goroutines meet the main thread, which must never move.
func TestDoOffTheMainThread(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	n := NewT(t, "a")
	home, err := os.Readlink("/proc/self/ns/net")
	require.NoError(t, err)
	var group sync.WaitGroup
	for range 200 {
		group.Go(func() {
			err := n.Do(func() error {
				if unix.Gettid() == unix.Getpid() {
					return errors.New("on the main thread")
				}
				runtime.Gosched()
				return nil
			})
			assert.NoError(t, err)
		})
	}
	group.Wait()
	now, err := os.Readlink("/proc/self/ns/net")
	require.NoError(t, err)
	assert.Equal(t, home, now)
	tasks, err := threadHoldings(home)
	require.NoError(t, err)
	assert.Empty(t, tasks)
}

func TestDoNests(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	a, b := NewT(t, "a"), NewT(t, "b")
	var outer, inner, again string
	require.NoError(t, a.Do(func() (err error) {
		outer, _ = os.Readlink(threadNS)
		err = b.Do(func() (err error) { inner, err = os.Readlink(threadNS); return err })
		again, _ = os.Readlink(threadNS)
		return err
	}))
	assert.NotEqual(t, outer, inner)
	assert.Equal(t, outer, again)
}

func TestDoReportsGoexit(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	n := NewT(t, "a")
	err := n.Do(func() error { runtime.Goexit(); return nil })
	require.ErrorIs(t, err, errEnded)
}

func TestCloseTwiceThenUse(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	n, err := New("a")
	require.NoError(t, err)
	require.NoError(t, n.Close())
	require.NoError(t, n.Close())
	err = n.Do(func() error { return nil })
	require.ErrorIs(t, err, os.ErrClosed)
	assert.ErrorContains(t, err, "namespace a")
	_, err = n.Run(t.Context(), "", "true")
	require.ErrorIs(t, err, os.ErrClosed)
}

// TestCloseFreesDevices sees the kernel free a namespace: its end of a link takes the other end along.
func TestCloseFreesDevices(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	ctx := t.Context()
	stays, goes := NewT(t, "stays"), NewT(t, "goes")
	require.NoError(t, stays.IP(ctx, "link add v0 type veth peer name v1 netns "+goes.ToolPath()))
	require.Contains(t, devices(t, stays), "v0")
	require.NoError(t, goes.Close())
	require.NoError(t, Poll(ctx, tick, func() (bool, error) { return len(devices(t, stays)) == 1, nil }))
}

func TestPathsNameTheNamespace(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	n := NewT(t, "a")
	var inside string
	require.NoError(t, n.Do(func() (err error) { inside, err = os.Readlink(threadNS); return err }))
	own, err := os.Readlink(n.Path())
	require.NoError(t, err)
	assert.Equal(t, inside, own)
	out, err := exec.CommandContext(t.Context(), "readlink", n.ToolPath()).Output()
	require.NoError(t, err)
	assert.Equal(t, inside, strings.TrimSpace(string(out)))
}

func TestRunIsInsideAndReports(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	n := NewT(t, "a")
	var inside string
	require.NoError(t, n.Do(func() (err error) { inside, err = os.Readlink(threadNS); return err }))
	out, err := n.Run(t.Context(), "", "readlink", "/proc/self/ns/net")
	require.NoError(t, err)
	assert.Equal(t, inside, strings.TrimSpace(out))

	out, err = n.Run(t.Context(), "text", "cat")
	require.NoError(t, err)
	assert.Equal(t, "text", out)

	err = n.IP(t.Context(), "link set lo up", "link set nosuch up")
	require.Error(t, err)
	assert.ErrorContains(t, err, "nosuch")
	assert.ErrorContains(t, err, "namespace a")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = n.Run(ctx, "", "sleep", "60")
	require.ErrorIs(t, err, context.Canceled)
}

func TestNamedNamespace(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	n := NewNamedT(t, "a")
	require.NotEmpty(t, n.Name())
	require.NoError(t, n.IP(t.Context(), "link add d0 type veth peer name d1"))
	out, err := exec.CommandContext(t.Context(), "ip", "-n", n.Name(), "-o", "link").CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Contains(t, string(out), "d0@")

	require.NoError(t, n.Close())
	_, err = os.Stat(filepath.Join(namesDir, n.Name()))
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestNamedCloseAfterTheNameWasRemoved(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	n := NewNamedT(t, "a")
	out, err := exec.CommandContext(t.Context(), "ip", "netns", "del", n.Name()).CombinedOutput()
	require.NoError(t, err, string(out))
	require.NoError(t, n.Close())
}

func TestStaleNamesAreRemoved(t *testing.T) {
	RequireNamespaces(t)
	dir := t.TempDir()
	dead := exec.Command("true")
	require.NoError(t, dead.Run())
	stale := filepath.Join(dir, namePrefix+"a-b-"+itoa(dead.Process.Pid)+"-1")
	live := filepath.Join(dir, namePrefix+"a-"+itoa(os.Getpid())+"-1")
	foreign := filepath.Join(dir, "customer-1-1")
	for _, p := range []string{stale, live, foreign} {
		require.NoError(t, os.WriteFile(p, nil, 0o600))
	}
	removeStaleNames(dir)
	assert.NoFileExists(t, stale)
	assert.FileExists(t, live)
	assert.FileExists(t, foreign)
}

func TestSysctl(t *testing.T) {
	RequireNamespaces(t)
	CheckLeaks(t)
	a, b := NewT(t, "a"), NewT(t, "b")
	require.NoError(t, a.SetSysctl("net.ipv4.ip_forward", "1"))
	value, err := a.Sysctl("net.ipv4.ip_forward")
	require.NoError(t, err)
	assert.Equal(t, "1", value)
	value, err = b.Sysctl("net.ipv4.ip_forward")
	require.NoError(t, err)
	assert.Equal(t, "0", value)

	require.NoError(t, a.IP(t.Context(), "link add e.7 type veth peer name e8"))
	require.NoError(t, a.SetSysctl("net/ipv4/conf/e.7/forwarding", "0"))

	_, err = a.Sysctl("net.nosuch")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorIs(t, a.SetSysctl("net.nosuch", "1"), fs.ErrNotExist)
	require.Error(t, a.SetSysctl("net.ipv4.ip_forward", "many"))
}
