package offload

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/kernel"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// A killing says how often a process is killed while it applies how large a plan.
type killing struct {
	operations, kills              int
	inside, oldOutcome, newOutcome int // at least
}

// TestSoakKill kills a process at random moments of Apply: the kernel holds the ruleset before or the one after, whole. With
// FASTPATH_SOAK (make soak) a batch of 10,000 operations is killed 200 times, at least 40 times inside of sendmsg, and at least 20
// times with each outcome; else a small one a few times.
func TestSoakKill(t *testing.T) {
	testns.CheckLeaks(t)
	k := killing{operations: 500, kills: 8, inside: 1, oldOutcome: 1, newOutcome: 1}
	if os.Getenv("FASTPATH_SOAK") != "" {
		k = killing{operations: 10_000, kills: 200, inside: 40, oldOutcome: 20, newOutcome: 20}
	}
	ns := testns.NewT(t, "kill")
	m, err := Open(t.Context(), &Config{NetNS: ns.Path(), NoEvict: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	took := k.prepare(t, m)

	inside, outcomes := 0, [2]int{}
	now := 0 // the version in force
	for n := 0; n < k.kills || inside < k.inside || outcomes[0] < k.oldOutcome || outcomes[1] < k.newOutcome; n++ {
		require.Less(t, n, 10*k.kills, "%d inside, %d and %d with the outcomes old and new", inside, outcomes[0], outcomes[1])
		delay := rand.N(took + took/5)
		if outcomes[1] < outcomes[0] { // the kernel gives up until the last message is read: the other outcome is rare
			delay = took/2 + rand.N(took*3/2)
		}
		if k.kill(t, ns, 1-now, delay) {
			inside++
		}
		after := k.version(t, m)
		outcomes[(after-now)&1]++
		now = after
	}
	t.Logf("%d operations: %d times inside of the commit, %d times the old ruleset, %d times the new", k.operations, inside, outcomes[0], outcomes[1])
}

// declared is one of two versions of a ruleset; the way between them has that many operations.
func (k killing) declared(version int) *ruleset.Spec {
	table := ruleset.Table{Name: "fw"}
	const each = 100
	for c := range k.operations / each {
		chain := ruleset.Chain{Name: fmt.Sprintf("c%d", c), Hook: ruleset.Forward, Priority: "filter"}
		for r := range each {
			match := ruleset.TCPDport.Is(uint16(r + 1))
			if version == 1 {
				match = ruleset.UDPDport.Is(uint16(r + 1))
			}
			chain.Rules = append(chain.Rules, ruleset.R(match, ruleset.Counter()))
		}
		table.Chains = append(table.Chains, chain)
	}
	return &ruleset.Spec{Tables: []ruleset.Table{table}}
}

// prepare puts version 0 in force, and says how long it takes to go from one to the other.
func (k killing) prepare(t *testing.T, m *Manager) (took time.Duration) {
	t.Helper()
	for _, version := range []int{0, 1, 0} {
		plan, err := m.Plan(t.Context(), k.declared(version))
		require.NoError(t, err)
		begin := time.Now()
		_, err = m.Apply(t.Context(), plan)
		require.NoError(t, err)
		took = time.Since(begin)
		if version == 1 {
			assert.Len(t, plan.Operations(), k.operations)
		}
	}
	return took
}

// version says which one is in force, and fails the test if neither is.
func (k killing) version(t *testing.T, m *Manager) int {
	t.Helper()
	for version := range 2 {
		plan, err := m.Plan(t.Context(), k.declared(version))
		require.NoError(t, err)
		if plan.Empty() {
			return version
		}
	}
	require.Fail(t, "the kernel holds neither the old ruleset nor the new")
	return 0
}

// kill starts a process that applies a version, and kills it some time after it began to commit. It reports whether the process had
// not yet come back from that: all but the opening of the socket and the reading of the answers is sendmsg.
func (k killing) kill(t *testing.T, ns *testns.Namespace, version int, delay time.Duration) (inside bool) {
	t.Helper()
	stage, err := os.CreateTemp(t.TempDir(), "stage")
	require.NoError(t, err)
	defer stage.Close()
	said, write, err := os.Pipe()
	require.NoError(t, err)
	defer said.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), childVariable+"=apply", fmt.Sprintf("%s=%d %d", killVariable, k.operations, version))
	cmd.ExtraFiles = []*os.File{write, stage}
	cmd.Stderr = os.Stderr
	require.NoError(t, ns.Start(cmd))
	require.NoError(t, write.Close())
	_, err = bufio.NewReader(said).ReadString('\n')
	if err == nil {
		<-time.After(delay) // the moment is meant to be any: nothing is waited for
	}
	killErr := cmd.Process.Kill()
	waitErr := cmd.Wait()
	require.NoError(t, err, "the process ended before it committed: %v", waitErr)
	require.True(t, killErr == nil || errors.Is(killErr, os.ErrProcessDone), killErr)
	b := make([]byte, 2)
	n, _ := stage.ReadAt(b, 0)
	return n == 1
}

const killVariable = "FASTPATH_OFFLOAD_KILL"

// childApply plans a version and applies it. It says when it begins to commit.
func childApply(ctx context.Context, _ *Manager) error {
	var k killing
	var version int
	if _, err := fmt.Sscan(os.Getenv(killVariable), &k.operations, &version); err != nil {
		return fmt.Errorf("%s: %w", strconv.Quote(os.Getenv(killVariable)), err)
	}
	ctx = context.WithoutCancel(ctx) // in emulation it takes its time
	inner, err := kernel.Open("")
	if err != nil {
		return err
	}
	m, err := Open(ctx, &Config{Kernel: telling{inner, os.NewFile(3, "said"), os.NewFile(4, "stage")}, NoEvict: true})
	if err != nil {
		return err
	}
	plan, err := m.Plan(ctx, k.declared(version))
	if err != nil {
		return err
	}
	if plan.Generation() == 0 || len(plan.Operations()) != k.operations {
		return fmt.Errorf("%d operations from generation %d", len(plan.Operations()), plan.Generation())
	}
	if _, err := m.Apply(ctx, plan); err != nil {
		return err
	}
	<-time.After(time.Hour) // it is killed before
	return nil
}

// telling tells others when it begins and ends to commit.
type telling struct {
	*kernel.Kernel
	said, stage *os.File
}

func (w telling) Commit(ctx context.Context, b *ruleset.Batch) ([]ruleset.Message, error) {
	if _, err := w.said.WriteString("commit\n"); err != nil {
		return nil, err
	}
	if _, err := w.stage.WriteString("b"); err != nil {
		return nil, err
	}
	echoes, err := w.Kernel.Commit(ctx, b)
	if _, werr := w.stage.WriteString("e"); werr != nil {
		return nil, errors.Join(err, werr)
	}
	return echoes, err
}
