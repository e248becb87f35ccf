package offload

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// watched is a namespace with plain() in force, and a Manager whose watchdog is this test binary.
func watched(t *testing.T) (*testns.Namespace, *Manager) {
	t.Helper()
	testns.CheckLeaks(t)
	ns := testns.NewT(t, "confirm")
	m := openWatched(t, ns)
	apply(t, m, plain())
	return ns, m
}

func openWatched(t *testing.T, ns *testns.Namespace) *Manager {
	t.Helper()
	m, err := Open(testContext(t), &Config{NetNS: ns.Path(), Watchdog: []string{"/proc/self/exe", asWatchdog}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

// locked is what an administrator should not have done.
func locked() *ruleset.Spec {
	s := plain()
	s.Tables[0].Chains[0].Rules = s.Tables[0].Chains[0].Rules[:1]
	s.Tables[0].Sets[0].Elements = []string{"192.0.2.0/24"}
	s.Tables = append(s.Tables, ruleset.Table{Name: "new"})
	return s
}

// applyLocked applies it for a window.
func applyLocked(t *testing.T, m *Manager, window time.Duration) *Pending {
	t.Helper()
	plan, err := m.Plan(testContext(t), locked())
	require.NoError(t, err)
	p, err := m.ApplyConfirm(testContext(t), plan, window)
	require.NoError(t, err)
	return p
}

// becomes waits until nft lists what is wanted.
func becomes(t *testing.T, ns *testns.Namespace, want string) {
	t.Helper()
	var have string
	err := testns.Poll(testContext(t), 20*time.Millisecond, func() (bool, error) {
		have = listing(t, ns)
		return have == want, nil
	})
	require.NoError(t, err, "have %s\nwant %s", have, want)
}

// ended waits for the end of a watchdog.
func ended(t *testing.T, p *Pending) {
	t.Helper()
	select {
	case <-p.guard.(*process).ended:
	case <-testContext(t).Done():
		require.FailNow(t, "the watchdog goes on")
	}
}

func TestConfirm(t *testing.T) {
	ns, m := watched(t)
	p := applyLocked(t, m, time.Hour)
	assert.Contains(t, listing(t, ns), `comment "managed by fastpath, unconfirmed `+p.Mark().ID+", taken back at "+p.Mark().Until)
	require.NoError(t, p.Confirm(testContext(t)))
	ended(t, p)
	assert.NotContains(t, listing(t, ns), "unconfirmed")
	left, err := m.Plan(testContext(t), locked())
	require.NoError(t, err)
	assert.Empty(t, left.String())
	require.ErrorIs(t, p.Confirm(testContext(t)), ErrNotUnconfirmed)
	require.ErrorIs(t, p.Rollback(testContext(t)), ErrNotUnconfirmed)
	require.ErrorIs(t, m.Confirm(testContext(t), ""), ErrNotUnconfirmed)
}

func TestWindowPasses(t *testing.T) {
	ns, m := watched(t)
	before := listing(t, ns)
	p := applyLocked(t, m, time.Second)
	becomes(t, ns, before)
	ended(t, p)
	require.ErrorIs(t, p.Confirm(testContext(t)), ErrNotUnconfirmed)
	left, err := m.Plan(testContext(t), plain())
	require.NoError(t, err)
	assert.Empty(t, left.String())
}

func TestRollback(t *testing.T) {
	ns, m := watched(t)
	before := listing(t, ns)
	p := applyLocked(t, m, time.Hour)
	require.NotEqual(t, before, listing(t, ns))
	require.NoError(t, p.Rollback(testContext(t)))
	ended(t, p)
	assert.Equal(t, before, listing(t, ns))
}

// Whoever applied dies at once: the watchdog takes the change back at the window's end, or on SIGTERM.
func TestApplierIsKilled(t *testing.T) {
	ns, _ := watched(t)
	before := listing(t, ns)
	cmd := exec.CommandContext(testContext(t), "/proc/self/exe")
	cmd.Env = append(os.Environ(), childVariable+"=confirm")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, ns.Start(cmd))
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "applied\n", line)
	require.NotEqual(t, before, listing(t, ns))
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	require.Equal(t, syscall.SIGKILL, cmd.ProcessState.Sys().(syscall.WaitStatus).Signal())
	becomes(t, ns, before)
}

// childConfirm applies, says so, and waits to be killed.
func childConfirm(ctx context.Context, _ *Manager) error {
	m, err := Open(ctx, &Config{Watchdog: []string{"/proc/self/exe", asWatchdog}})
	if err != nil {
		return err
	}
	plan, err := m.Plan(ctx, locked())
	if err != nil {
		return err
	}
	if _, err := m.ApplyConfirm(ctx, plan, 2*time.Second); err != nil {
		return err
	}
	fmt.Println("applied")
	<-ctx.Done()
	return ctx.Err()
}

func TestTerminatedWatchdogTakesBack(t *testing.T) {
	ns, m := watched(t)
	before := listing(t, ns)
	p := applyLocked(t, m, time.Hour)
	require.NoError(t, p.guard.(*process).cmd.Process.Signal(syscall.SIGTERM))
	becomes(t, ns, before)
	ended(t, p)
}

// Others' commits do not keep the change from being taken back, and stay.
func TestOthersCommitInTheWindow(t *testing.T) {
	ns, m := watched(t)
	before := listing(t, ns)
	p := applyLocked(t, m, time.Second)
	require.NoError(t, ns.NFT(testContext(t), "add table inet zz_theirs"))
	becomes(t, ns, before+"table inet zz_theirs {\n}\n")
	ended(t, p)
}

// What others did to our tables is not destroyed; the mark stays until someone decides.
func TestOthersChangeOurTables(t *testing.T) {
	ns, m := watched(t)
	p := applyLocked(t, m, time.Second)
	require.NoError(t, ns.NFT(testContext(t), "add rule inet fw more counter accept"))
	ended(t, p)
	text := listing(t, ns)
	assert.Contains(t, text, "counter packets 0 bytes 0 accept\n\t}")
	assert.Contains(t, text, "unconfirmed")
	require.ErrorIs(t, p.Rollback(testContext(t)), ErrTablesChanged)
	require.Equal(t, text, listing(t, ns))
	require.NoError(t, m.Confirm(testContext(t), ""))
	assert.NotContains(t, listing(t, ns), "unconfirmed")
}

func TestTwoUnconfirmedChanges(t *testing.T) {
	ns, m := watched(t)
	p := applyLocked(t, m, time.Hour)
	other := openWatched(t, ns)
	for _, m := range []*Manager{m, other} {
		plan, err := m.Plan(testContext(t), plain())
		require.NoError(t, err)
		unchanged(t, ns, func() {
			_, err = m.ApplyConfirm(testContext(t), plan, time.Hour)
			require.ErrorIs(t, err, ErrUnconfirmed)
			require.ErrorContains(t, err, p.Mark().Until)
		})
	}
	require.NoError(t, other.Confirm(testContext(t), ruleset.DefaultOwner))
	require.ErrorIs(t, p.Confirm(testContext(t)), ErrNotUnconfirmed)
	ended(t, p)
}

// A command that is no watchdog is found out before anything is changed.
func TestNoWatchdog(t *testing.T) {
	ns, m := watched(t)
	plan, err := m.Plan(testContext(t), locked())
	require.NoError(t, err)
	for name, c := range map[string]struct {
		command []string
		says    string
	}{
		"hangs":   {[]string{"sleep", "600"}, "call offload.Watchdog"},
		"none":    {nil, "Config.Watchdog"},
		"missing": {[]string{"/no/such/watchdog"}, "no such file"},
		"silent":  {[]string{"true"}, "call offload.Watchdog"},
		"parrot":  {[]string{"cat"}, "call offload.Watchdog"},
	} {
		t.Run(name, func(t *testing.T) {
			m.watchdog = c.command
			ctx, cancel := testContext(t), context.CancelFunc(func() {})
			if name == "hangs" {
				ctx, cancel = context.WithTimeout(ctx, 2*time.Second)
			}
			defer cancel()
			t.Setenv(tokenVariable, t.Name())
			unchanged(t, ns, func() {
				_, err := m.ApplyConfirm(ctx, plan, time.Hour)
				require.ErrorContains(t, err, c.says)
			})
			assert.Empty(t, bearing(t.Name()), "it is left behind")
		})
	}
}

func TestConfirmOfNothing(t *testing.T) {
	ns, m := watched(t)
	plan, err := m.Plan(testContext(t), plain())
	require.NoError(t, err)
	unchanged(t, ns, func() {
		p, err := m.ApplyConfirm(testContext(t), plan, time.Second)
		require.NoError(t, err)
		assert.Equal(t, plan.Generation(), p.Generation())
		require.NoError(t, p.Confirm(testContext(t)))
		require.NoError(t, p.Rollback(testContext(t)))
		_, err = m.ApplyConfirm(testContext(t), plan, time.Millisecond)
		require.ErrorContains(t, err, "too short")
	})
}

// A change that turned accounting on is taken back with it.
func TestRollbackPutsAccountingBack(t *testing.T) {
	ns, m := watched(t)
	require.NoError(t, ns.SetSysctl(accountingKey, "0"))
	plan, err := m.Plan(testContext(t), counting())
	require.NoError(t, err)
	p, err := m.ApplyConfirm(testContext(t), plan, time.Second)
	require.NoError(t, err)
	ended(t, p)
	assert.Equal(t, "0", sysctl(t, ns))
	left, err := m.Plan(testContext(t), plain())
	require.NoError(t, err)
	assert.Empty(t, left.String())
}
