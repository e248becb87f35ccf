package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/runlock"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
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

// says holds an error against a sentinel and a word that it must have.
func says(err, want error, word string) error {
	if !errors.Is(err, want) || !strings.Contains(err.Error(), word) {
		return fmt.Errorf("want an error matching %q that says %q, have: %v", want, word, err)
	}
	return nil
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
		assert.ErrorContains(t, err, fmt.Sprintf("process %d does so", os.Getpid()))
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

// Taking the lock is one commit, at a generation that is told; giving it back is none. What is read of the ruleset shows neither.
func TestLockAndTheGeneration(t *testing.T) {
	ns, k := openT(t)
	ctx := testContext(t)
	require.NoError(t, ns.NFT(ctx, "add table inet other"))
	before, err := k.GenerationID(ctx)
	require.NoError(t, err)
	_, release, from, err := k.LockFrom(ctx, "a", false)
	require.NoError(t, err)
	assert.Equal(t, before, from)
	held := load(t, k)
	assert.Equal(t, before+1, held.Generation())
	require.Len(t, held.Tables(), 1)
	assert.Equal(t, "other", held.Tables()[0].Name)
	text, err := ns.Ruleset(ctx)
	require.NoError(t, err)
	assert.Contains(t, text, runlock.Table("a"), "people see it")
	assert.Contains(t, text, fmt.Sprintf("fastpath run of a, process %d, since", os.Getpid()))
	require.NoError(t, release())
	after, err := k.GenerationID(ctx)
	require.NoError(t, err)
	assert.Equal(t, before+1, after)
	text, err = ns.Ruleset(ctx)
	require.NoError(t, err)
	assert.NotContains(t, text, "fastpath")
}

// What others do to the whole ruleset, or to the lock itself, leaves it.
func TestLockStaysWhenOthersFlush(t *testing.T) {
	ns, k := openT(t)
	ctx := testContext(t)
	lost, release, err := k.Lock(ctx, "a", false)
	require.NoError(t, err)
	name := runlock.Table("a")
	require.NoError(t, ns.NFT(ctx, "add table inet other; flush ruleset"))
	require.NoError(t, ns.NFT(ctx, "flush ruleset inet"))
	for _, command := range []string{"delete table inet " + name, "add chain inet " + name + " c", "add table inet " + name} {
		assert.ErrorContains(t, ns.NFT(ctx, command), "not permitted", command)
	}
	_, _, err = k.Lock(ctx, "a", false)
	require.ErrorIs(t, err, ErrRunning)
	assert.True(t, isOpen(lost))
	require.NoError(t, release())
}

// A table of that name that no socket holds is no lock, and no request: the error says how to get rid of it.
func TestLockAndTablesWithoutAnOwner(t *testing.T) {
	ns, k := openT(t)
	ctx := testContext(t)
	for _, name := range []string{runlock.Table("a"), runlock.Request("a")} {
		require.NoError(t, ns.NFT(ctx, "add table inet "+name))
		for _, takeover := range []bool{false, true} {
			_, _, err := k.Lock(ctx, "a", takeover)
			require.ErrorIs(t, err, ErrRunning)
			assert.ErrorContains(t, err, "nft delete table inet "+name)
		}
		require.NoError(t, ns.NFT(ctx, "delete table inet "+name))
	}
	lost, release, err := k.Lock(ctx, "a", false)
	require.NoError(t, err)
	idle(t, k)
	require.NoError(t, ns.NFT(ctx, "add table inet "+runlock.Request("a")))
	idle(t, k)
	assert.True(t, isOpen(lost))
	require.NoError(t, release())
}

// idle waits until somebody in the namespace listens to nf_tables, and has heard all.
func idle(t *testing.T, k *Kernel) {
	t.Helper()
	eventually(t, func() bool {
		listening, bytes := unread(t, k)
		return listening > 0 && bytes == 0
	})
}

// unread counts the sockets of the namespace that listen to nf_tables, and what lies in them.
func unread(t *testing.T, k *Kernel) (listening, bytes int) {
	t.Helper()
	require.NoError(t, k.ns.Do(func() error {
		text, err := os.ReadFile("/proc/thread-self/net/netlink")
		for _, line := range strings.Split(string(text), "\n") {
			var sk string
			var protocol, room int
			var port, groups uint32
			if n, _ := fmt.Sscanf(line, "%s %d %d %x %d", &sk, &protocol, &port, &groups, &room); n == 5 && protocol == unix.NETLINK_NETFILTER && groups != 0 {
				listening++
				bytes += room
			}
		}
		return err
	}))
	return listening, bytes
}

func eventually(t *testing.T, is func() bool) {
	t.Helper()
	require.Eventually(t, is, 30*time.Second, time.Millisecond)
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
			_, release, err := k.Lock(ctx, "a", true)
			if err == nil {
				err = release()
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
	assert.Empty(t, load(t, k).Tables())
}

// A takeover from one who does not leave ends with ctx, and says which process that is.
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
	assert.ErrorContains(t, err, fmt.Sprintf("process %d leaves", os.Getpid()))
	require.NoError(t, release())
}

// While one asks for a lock, nobody else gets it.
func TestLockThatIsAskedFor(t *testing.T) {
	testns.RequireNamespaces(t)
	ns, k := openT(t)
	asker := startChild(t, ns, childAsks, nil)
	_, _, err := k.Lock(testContext(t), childOwner, false)
	require.ErrorIs(t, err, ErrRunning)
	assert.ErrorContains(t, err, fmt.Sprintf("process %d is about to take over", asker.cmd.Process.Pid))
	ctx, cancel := context.WithTimeout(testContext(t), 200*time.Millisecond)
	defer cancel()
	_, _, err = k.Lock(ctx, childOwner, true)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.ErrorContains(t, err, fmt.Sprintf("process %d takes over", asker.cmd.Process.Pid))
	asker.end(syscall.SIGKILL)
	_, release, err := k.Lock(testContext(t), childOwner, true)
	require.NoError(t, err)
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
		holder := startChild(t, ns, childHolds, nil)
		_, _, err := k.Lock(ctx, childOwner, false)
		require.ErrorIs(t, err, ErrRunning)
		assert.ErrorContains(t, err, fmt.Sprintf("process %d does so", holder.cmd.Process.Pid))
		if takeover { // the child never leaves by itself
			time.AfterFunc(20*time.Millisecond, func() { _ = holder.cmd.Process.Signal(syscall.SIGKILL) })
		} else {
			holder.end(syscall.SIGKILL)
		}
		_, release, err := k.Lock(ctx, childOwner, takeover)
		require.NoError(t, err)
		require.NoError(t, release())
		holder.end(syscall.SIGKILL)
	}
}

// Who died while it asked, before the holder looked, asked for nothing.
func TestLockOutlivesWhoAsked(t *testing.T) {
	testns.RequireNamespaces(t)
	ns, k := openT(t)
	holder := startChild(t, ns, childHolds, nil)
	idle(t, k)
	holder.asked(t, "held")
	require.NoError(t, holder.cmd.Process.Signal(syscall.SIGSTOP))
	eventually(t, func() bool { return stateOf(t, holder.cmd.Process.Pid) == 'T' })
	asker := startChild(t, ns, childAsks, nil)
	c, err := k.claim(testContext(t), runlock.Request(childOwner))
	require.NoError(t, err)
	require.NotNil(t, c, "it asks")
	_, bytes := unread(t, k)
	assert.NotZero(t, bytes, "and the holder did not hear it yet")
	asker.end(syscall.SIGKILL)
	require.NoError(t, holder.cmd.Process.Signal(syscall.SIGCONT))
	idle(t, k)
	holder.asked(t, "held")

	startChild(t, ns, childAsks, nil) // it still listens to those who live
	eventually(t, func() bool {
		_, err := holder.in.Write([]byte("?\n"))
		require.NoError(t, err)
		line, err := holder.out.ReadString('\n')
		require.NoError(t, err)
		return line == "lost\n"
	})
}

// stateOf is a process's, as /proc tells it.
func stateOf(t *testing.T, process int) byte {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", process))
	require.NoError(t, err)
	return stat[strings.LastIndex(string(stat), ")")+2]
}

// Nobody without CAP_NET_ADMIN can take the lock, hold it up, have its holder leave, or free it; neither another user nor root.
func TestLockAndTheUnprivileged(t *testing.T) {
	testns.RequireNamespaces(t)
	if os.Geteuid() != 0 {
		t.Skip("needs root, to become somebody else")
	}
	ns, k := openT(t)
	ctx := testContext(t)
	for name, attr := range map[string]*syscall.SysProcAttr{
		"another user":              {Credential: &syscall.Credential{Uid: nobody, Gid: nobody}},
		"root without capabilities": {Cloneflags: unix.CLONE_NEWUSER, UidMappings: onlyRoot, GidMappings: onlyRoot},
	} {
		t.Run(name, func(t *testing.T) {
			lost, release, err := k.Lock(ctx, childOwner, false)
			require.NoError(t, err)
			meddler := startChild(t, ns, childMeddles, attr)
			idle(t, k)
			assert.True(t, isOpen(lost))
			_, _, err = k.Lock(ctx, childOwner, false)
			require.ErrorIs(t, err, ErrRunning)
			require.NoError(t, release())
			_, release, err = k.Lock(ctx, childOwner, false)
			require.NoError(t, err, "beside one who meddles")
			require.NoError(t, release())
			meddler.end(syscall.SIGKILL)
		})
	}
}

// onlyRoot makes the child root of a user namespace that does not own the network namespace: uid 0 without a capability there.
var onlyRoot = []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}}

// Others who commit all the time do not keep anyone from the lock.
func TestLockWhileOthersCommit(t *testing.T) {
	ns, k := openT(t)
	ctx := testContext(t)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				_ = ns.NFT(ctx, "add table inet other; delete table inet other")
			}
		}
	}()
	for range 20 {
		_, release, err := k.Lock(ctx, "a", false)
		require.NoError(t, err)
		require.NoError(t, release())
	}
	close(stop)
	<-done
}

// What kernels before 5.12 say to the flag, and those without nf_tables to the batch.
func TestLockOfOldKernels(t *testing.T) {
	_, k := openT(t)
	e := &entrant{k: k, owner: "a"}
	refused := func(message int, errno unix.Errno) error {
		return e.explain(&ruleset.CommitError{Refusals: []ruleset.Refusal{{Message: message, Errno: int(errno)}}})
	}
	for _, errno := range []unix.Errno{unix.EOPNOTSUPP, unix.EINVAL} {
		assert.NoError(t, says(refused(1, errno), errors.ErrUnsupported, "Linux 5.12"))
	}
	assert.NoError(t, says(refused(0, unix.EPERM), os.ErrPermission, "CAP_NET_ADMIN"))
	assert.NotContains(t, refused(0, unix.EOPNOTSUPP).Error(), "5.12")
}

// Whoever made a lock wrote its comment: a process is named for certain only if it has the socket.
func TestLockNamesNoInnocent(t *testing.T) {
	_, k := openT(t)
	ctx := testContext(t)
	sock, err := k.dial() // keeps the port that is this process's number
	require.NoError(t, err)
	defer sock.Close()
	liar, err := k.dial()
	require.NoError(t, err)
	defer liar.Close()
	b := runlock.Take("a", "x, process 1\x1b[2J, since ever", false, 0)
	require.NoError(t, verdict(liar.Commit(ctx, b.Bytes, b.Messages)))
	_, _, err = k.Lock(ctx, "a", false)
	require.ErrorIs(t, err, ErrRunning)
	assert.ErrorContains(t, err, "calls itself process 1 (netlink port")
	assert.NotContains(t, err.Error(), "\x1b")
}

// Of all that is announced the holder of a lock hears the request for it alone.
func TestLockHearsItsRequestAlone(t *testing.T) {
	ns, k := openT(t)
	ctx := testContext(t)
	name := runlock.Request("a")
	l := k.listenToTable(name)
	sock, err := l.dial()
	require.NoError(t, err)
	defer sock.Close()
	for _, command := range []string{
		"add table inet other", "add table inet " + name + "x", "add table inet " + name[:len(name)-1], "add chain inet other " + name,
		"delete table inet other", "add table inet " + name, "delete table inet " + name, "add table inet late",
	} {
		require.NoError(t, ns.NFT(ctx, command))
	}
	heard := 0
	for m, err := range sock.Queued(ctx) {
		require.NoError(t, err)
		if m.Type == nlmsg.NFTablesType(nlmsg.NFTMsgNewTable) {
			heard++
		}
	}
	assert.Equal(t, 1, heard)
}
