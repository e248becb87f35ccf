package offload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// inheritable is a descriptor as shells open them: children get it.
func inheritable(t *testing.T, f *os.File) (closeIt func()) {
	t.Helper()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD, 20)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return func() { require.NoError(t, unix.Close(fd)) }
}

// A watchdog holds neither a lock nor a pipe that was open where it was started: a script's lock is free when the script ends.
func TestWatchdogKeepsNoDescriptor(t *testing.T) {
	_, m := watched(t)
	path := filepath.Join(t.TempDir(), "lock")
	lock, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, unix.Flock(int(lock.Fd()), unix.LOCK_EX))
	unlock := inheritable(t, lock)
	read, write, err := os.Pipe()
	require.NoError(t, err)
	defer read.Close()
	hangUp := inheritable(t, write)

	p := applyLocked(t, m, time.Hour)
	unlock()
	hangUp()
	again, err := os.Open(path)
	require.NoError(t, err)
	defer again.Close()
	require.NoError(t, unix.Flock(int(again.Fd()), unix.LOCK_EX|unix.LOCK_NB), "the watchdog holds the lock")
	require.NoError(t, read.SetReadDeadline(time.Now().Add(10*time.Second)))
	_, err = read.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "the watchdog holds the pipe")

	of := fmt.Sprintf("/proc/%d/fd/", p.guard.(*process).cmd.Process.Pid)
	for _, fd := range []string{"1", "2"} {
		to, err := os.Readlink(of + fd)
		require.NoError(t, err)
		assert.Equal(t, os.DevNull, to, "descriptor %s", fd)
	}
	to, err := os.Readlink(of + strconv.Itoa(watchdogNetNS)) // free, or a socket of its own
	assert.True(t, errors.Is(err, os.ErrNotExist) || strings.HasPrefix(to, "socket:"), "%s, %v", to, err)
	require.NoError(t, p.Confirm(testContext(t)))
	ended(t, p)
}

// tokenVariable names one test's processes, whoever started them.
const tokenVariable = "FASTPATH_TEST_TOKEN"

// bearing are the live processes that bear a token.
func bearing(token string) (pids []int) {
	list, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range list {
		b, err := os.ReadFile(path)
		if pid, _ := strconv.Atoi(strings.Split(path, "/")[2]); err == nil && strings.Contains(string(b), tokenVariable+"="+token+"\x00") {
			pids = append(pids, pid)
		}
	}
	return pids
}

// A program that forgets to call Watchdog is told so, by itself and by what it starts; it is started once, and nothing is left of it.
func TestForgottenWatchdog(t *testing.T) {
	ns, _ := watched(t)
	token := strconv.Itoa(os.Getpid()) + t.Name()
	ctx := testContext(t)
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Env = append(os.Environ(), childVariable+"=forgets", tokenVariable+"="+token)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	before := listing(t, ns)
	require.NoError(t, ns.Start(cmd))
	over, gone := make(chan struct{}), make(chan struct{})
	var most atomic.Int64
	go func() {
		defer close(gone)
		for last := false; ctx.Err() == nil; {
			select {
			case <-over:
				last = true
			default:
			}
			pids := bearing(token)
			most.Store(max(most.Load(), int64(len(pids))))
			for _, pid := range pids { // without end, it would go on for ever
				if len(pids) > 8 {
					_ = syscall.Kill(pid, syscall.SIGKILL)
				}
			}
			if last && len(pids) == 0 {
				return
			}
		}
	}()
	said, _ := io.ReadAll(out)
	err = cmd.Wait()
	close(over)
	<-gone
	require.NoError(t, err)
	assert.Empty(t, bearing(token), "what is left of it")
	assert.LessOrEqual(t, most.Load(), int64(2), "processes")
	assert.Contains(t, string(said), "call offload.Watchdog")
	assert.Contains(t, string(said), "nothing was changed")
	assert.Equal(t, before, listing(t, ns))

	t.Setenv(watchdogVariable, "1")
	m := openWatched(t, ns)
	plan, err := m.Plan(testContext(t), locked())
	require.NoError(t, err)
	_, err = m.ApplyConfirm(testContext(t), plan, time.Hour)
	require.ErrorContains(t, err, "call offload.Watchdog")
	assert.Equal(t, before, listing(t, ns))
}

// childForgets is a program without Watchdog: started as one, it does all over again what it does.
func childForgets(ctx context.Context, _ *Manager) error {
	m, err := Open(ctx, &Config{Watchdog: []string{"/proc/self/exe"}})
	if err != nil {
		return err
	}
	defer m.Close()
	plan, err := m.Plan(ctx, locked())
	if err != nil {
		return err
	}
	_, err = m.ApplyConfirm(ctx, plan, time.Minute)
	if err == nil {
		return errors.New("it was applied")
	}
	fmt.Println(err) // not to be taken for a watchdog's answer
	return nil
}

// A sick kernel is this machine's, with answers that are lost and readings that fail.
type sick struct {
	machine
	commit func(ctx context.Context, b *ruleset.Batch) ([]ruleset.Message, error)
	blind  atomic.Bool
}

var errBlind = errors.New("cannot be read now")

func (k *sick) Commit(ctx context.Context, b *ruleset.Batch) ([]ruleset.Message, error) {
	return k.commit(ctx, b)
}

func (k *sick) Dump(ctx context.Context) iter.Seq2[ruleset.Message, error] {
	if k.blind.Load() {
		return func(yield func(ruleset.Message, error) bool) { yield(ruleset.Message{}, errBlind) }
	}
	return k.machine.Dump(ctx)
}

func (k *sick) GenerationID(ctx context.Context) (uint32, error) {
	if k.blind.Load() {
		return 0, errBlind
	}
	return k.machine.GenerationID(ctx)
}

func (k *sick) DumpOf(ctx context.Context, wanted func(ruleset.LoadedTable) bool) iter.Seq2[ruleset.Message, error] {
	if k.blind.Load() {
		return func(yield func(ruleset.Message, error) bool) { yield(ruleset.Message{}, errBlind) }
	}
	return k.machine.DumpOf(ctx, wanted)
}

func (k *sick) ChangedSince(ctx context.Context, generation uint32) (Changes, error) {
	if k.blind.Load() {
		return Changes{}, errBlind
	}
	return k.machine.ChangedSince(ctx, generation)
}

func sicken(m *Manager) *sick {
	k := &sick{machine: m.kernel.(machine)}
	m.kernel = k
	return k
}

// An ApplyConfirm that fails leaves no process behind, also where the kernel cannot be read at that moment.
func TestFailedApplyConfirmLeavesNothing(t *testing.T) {
	ns, m := watched(t)
	k := sicken(m)
	k.commit = func(context.Context, *ruleset.Batch) ([]ruleset.Message, error) {
		k.blind.Store(true)
		return nil, errors.New("no memory, nothing was sent")
	}
	t.Setenv(tokenVariable, t.Name())
	plan, err := m.Plan(testContext(t), locked())
	require.NoError(t, err)
	unchanged(t, ns, func() {
		_, err = m.ApplyConfirm(testContext(t), plan, time.Hour)
		require.ErrorContains(t, err, "nothing was sent")
		assert.Empty(t, bearing(t.Name()), "it left its watchdog")
	})
}

// Where nobody knows what became of the change, the watchdog stays for as long as the window lasts, and takes back what there is.
func TestUnknownApplyConfirmIsTakenBack(t *testing.T) {
	for name, applied := range map[string]bool{"in force": true, "not in force": false} {
		t.Run(name, func(t *testing.T) {
			ns, m := watched(t)
			before := listing(t, ns)
			k := sicken(m)
			k.commit = func(ctx context.Context, b *ruleset.Batch) ([]ruleset.Message, error) {
				k.blind.Store(true)
				if applied {
					if _, err := k.machine.Commit(ctx, b); err != nil {
						return nil, err
					}
				}
				return nil, &ruleset.CommitError{Unknown: true}
			}
			t.Setenv(tokenVariable, t.Name())
			plan, err := m.Plan(testContext(t), locked())
			require.NoError(t, err)
			_, err = m.ApplyConfirm(testContext(t), plan, 2*time.Second)
			require.ErrorContains(t, err, "the watchdog stays")
			require.NoError(t, testns.Poll(testContext(t), 20*time.Millisecond, func() (bool, error) {
				return listing(t, ns) == before && len(bearing(t.Name())) == 0, nil
			}))
		})
	}
}

// If the watchdog dies before it hears that the change is in force, nobody watches: the change is taken back at once.
func TestWatchdogDiesMeanwhile(t *testing.T) {
	ns, m := watched(t)
	before := listing(t, ns)
	k := sicken(m)
	t.Setenv(tokenVariable, t.Name())
	k.commit = func(ctx context.Context, b *ruleset.Batch) ([]ruleset.Message, error) {
		for _, pid := range bearing(t.Name()) {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				return nil, err
			}
			// It has to be reaped: a process that ends loses its environment before it closes its end of the pipe.
			if err := testns.Poll(ctx, time.Millisecond, func() (bool, error) { return syscall.Kill(pid, 0) != nil, nil }); err != nil {
				return nil, err
			}
		}
		return k.machine.Commit(ctx, b)
	}
	plan, err := m.Plan(testContext(t), locked())
	require.NoError(t, err)
	_, err = m.ApplyConfirm(testContext(t), plan, time.Hour)
	require.ErrorContains(t, err, "was taken back")
	assert.Equal(t, before, listing(t, ns))
}

// Confirm does not wait longer than ctx for a watchdog that does not go on; what was confirmed stays so.
func TestConfirmWithinContext(t *testing.T) {
	ns, m := watched(t)
	p := applyLocked(t, m, time.Hour)
	require.NoError(t, p.guard.(*process).cmd.Process.Signal(syscall.SIGSTOP))
	ctx, cancel := context.WithCancel(testContext(t))
	done := make(chan error, 1)
	go func() { done <- p.Confirm(ctx) }()
	require.NoError(t, testns.Poll(testContext(t), 5*time.Millisecond, func() (bool, error) {
		return !strings.Contains(listing(t, ns), "unconfirmed"), nil
	}))
	cancel()
	select {
	case err := <-done:
		require.NoError(t, err)
	case <-time.After(30 * time.Second):
		require.NoError(t, p.guard.(*process).cmd.Process.Signal(syscall.SIGCONT))
		require.Fail(t, "it waits for a process that does not end", "%v", <-done)
	}
	ended(t, p)
}
