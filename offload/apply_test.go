package offload

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/ruleset"
)

func fakeMachine() *fake {
	return &fake{generation: 7, target: flowtable.Target{Kernel: flowtable.KernelOf("6.1"), Links: []flowtable.Link{{Index: 2, Name: "eth0"}}}}
}

func TestApplyTellsGeneration(t *testing.T) {
	kernel := fakeMachine()
	m := openFake(t, kernel)
	plan, err := m.Plan(testContext(t), fwSpec(devices("eth0")))
	require.NoError(t, err)
	assert.EqualValues(t, 7, plan.Generation())
	generation, err := m.Apply(testContext(t), plan)
	require.NoError(t, err)
	assert.EqualValues(t, 8, generation)
}

func TestGenerationSkipsZero(t *testing.T) {
	assert.EqualValues(t, 1, next(1<<32-1))
	assert.EqualValues(t, 8, next(7))
}

// A plan that was made without looking is not pinned; the kernel is asked afterwards.
func TestApplyOfUnpinnedPlan(t *testing.T) {
	kernel := fakeMachine()
	m := openFake(t, kernel)
	resolved, err := fwSpec(devices("eth0")).Resolve(nil)
	require.NoError(t, err)
	plan, err := ruleset.Diff(nil, resolved)
	require.NoError(t, err)
	generation, err := m.Apply(testContext(t), plan)
	require.NoError(t, err)
	assert.EqualValues(t, 8, generation)
}

// What a caller forgot to make is an error with the next step, not a crash.
func TestNothingToPlanOrApply(t *testing.T) {
	m := openFake(t, fakeMachine())
	_, err := m.Plan(testContext(t), nil)
	require.ErrorContains(t, err, "the Spec is nil")
	_, err = m.Apply(testContext(t), nil)
	require.ErrorContains(t, err, "Manager.Plan makes one")
	require.ErrorContains(t, m.Check(testContext(t), nil), "Manager.Plan makes one")
}

func TestApplyOfEmptyPlan(t *testing.T) {
	kernel := fakeMachine()
	m := openFake(t, kernel)
	plan, err := m.Plan(testContext(t), &ruleset.Spec{})
	require.NoError(t, err)
	require.True(t, plan.Empty())
	generation, err := m.Apply(testContext(t), plan)
	require.NoError(t, err)
	assert.EqualValues(t, 7, generation)
	require.NoError(t, m.Check(testContext(t), plan))
	assert.Zero(t, kernel.committed)
	assert.Empty(t, kernel.checked)
}

// stale is what the kernel answers when others committed; what they did is done first.
func stale(others func(*fake)) func(*fake) error {
	return func(f *fake) error {
		f.generation++
		if others != nil {
			others(f)
		}
		return refuseBatch(erestart)
	}
}

func TestApplyAfterOthersCommitted(t *testing.T) {
	theirs := func(f *fake) { f.tables = append(f.tables, "theirs") }
	ours := func(f *fake) { f.tables = append(f.tables, "fw fastpath") }
	foreign := func(f *fake) { f.tables = append(f.tables, "fw somebody") }
	always := make([]func(*fake) error, 100)
	for i := range always {
		always[i] = stale(nil)
	}
	for name, test := range map[string]struct {
		commits    []func(*fake) error
		generation uint32
		errors     []error
	}{
		"nothing of ours":       {[]func(*fake) error{stale(theirs)}, 9, nil},
		"twice":                 {[]func(*fake) error{stale(theirs), stale(nil)}, 10, nil},
		"our table appeared":    {[]func(*fake) error{stale(ours)}, 0, []error{ErrConflict}},
		"the name was taken":    {[]func(*fake) error{stale(foreign)}, 0, []error{ErrConflict, ErrForeign}},
		"a hundred times":       {always, 8 + 100, nil},
		"then refused for good": {[]func(*fake) error{stale(theirs), func(*fake) error { return refuseBatch(eperm) }}, 0, []error{&ApplyError{}}},
	} {
		t.Run(name, func(t *testing.T) {
			kernel := fakeMachine()
			m := openFake(t, kernel)
			plan, err := m.Plan(testContext(t), fwSpec(devices("eth0")))
			require.NoError(t, err)
			kernel.commits = test.commits
			generation, err := m.Apply(testContext(t), plan)
			assert.Equal(t, test.generation, generation)
			if test.errors == nil {
				require.NoError(t, err)
			}
			for _, want := range test.errors {
				if _, ok := want.(*ApplyError); ok {
					require.ErrorAs(t, err, new(*ApplyError))
					continue
				}
				require.ErrorIs(t, err, want)
			}
			if errors.Is(err, ErrConflict) && !errors.Is(err, ErrForeign) { // that one says what to do itself
				assert.Contains(t, err.Error(), "plan again")
			}
		})
	}
}

// The answer to a batch is lost: the kernel's state decides.
func TestApplyWithLostAnswer(t *testing.T) {
	unknown := &ruleset.CommitError{Unknown: true}
	for name, test := range map[string]struct {
		outcome    func(*fake)
		generation uint32
		conflict   bool
		says       string
	}{
		"it was dropped":    {func(*fake) {}, 0, false, "nothing was changed"},
		"another was first": {func(f *fake) { f.generation, f.tables = 8, []string{"theirs"} }, 0, true, "plan again"},
		"half of it is there": {func(f *fake) {
			f.generation, f.tables = 8, []string{"fw fastpath"}
		}, 0, true, "plan again"},
		"others came after": {func(f *fake) {
			f.generation, f.tables, f.flowtables = 9, []string{"fw fastpath"}, [][2]string{{"fw", "fast"}}
		}, 0, true, "plan again"},
		"the kernel cannot be read": {func(f *fake) { f.dumpError = errors.New("no more") }, 0, false, "unknown whether"},
	} {
		t.Run(name, func(t *testing.T) {
			kernel := fakeMachine()
			m := openFake(t, kernel)
			plan, err := m.Plan(testContext(t), fwSpec(devices("eth0")))
			require.NoError(t, err)
			kernel.commits = []func(*fake) error{func(f *fake) error { test.outcome(f); return unknown }}
			generation, err := m.Apply(testContext(t), plan)
			assert.Equal(t, test.generation, generation)
			assert.ErrorContains(t, err, test.says)
			assert.Equal(t, test.conflict, errors.Is(err, ErrConflict), "%v", err)
		})
	}
}

// A table that is replaced looks the same before and after: with another's commit in between, nobody can tell.
func TestReplaceWithLostAnswer(t *testing.T) {
	kernel := fakeMachine()
	kernel.tables, kernel.flowtables = []string{"fw fastpath"}, [][2]string{{"fw", "fast"}}
	m := openFake(t, kernel)
	plan, err := m.Plan(testContext(t), fwSpec(devices("eth0")))
	require.NoError(t, err)
	kernel.commits = []func(*fake) error{func(f *fake) error { f.generation++; return &ruleset.CommitError{Unknown: true} }}
	generation, err := m.Apply(testContext(t), plan)
	require.ErrorIs(t, err, ErrConflict)
	require.ErrorContains(t, err, "answer was lost")
	assert.Zero(t, generation)
}

// Who waits for another's Apply waits no longer than his context.
func TestApplyWaitsForTurn(t *testing.T) {
	kernel := fakeMachine()
	m := openFake(t, kernel)
	plan, err := m.Plan(testContext(t), fwSpec(devices("eth0")))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(testContext(t))
	kernel.commits = []func(*fake) error{func(f *fake) error { // while this one commits
		cancel()
		_, err := m.Apply(ctx, plan)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, m.Check(ctx, plan), context.Canceled)
		f.generation++
		return nil
	}}
	_, err = m.Apply(testContext(t), plan)
	require.NoError(t, err)
	assert.Equal(t, 1, kernel.committed)
}

func TestApplyPassesOtherErrors(t *testing.T) {
	for _, want := range []error{ErrSendBuffer, context.Canceled} {
		kernel := fakeMachine()
		m := openFake(t, kernel)
		plan, err := m.Plan(testContext(t), fwSpec(devices("eth0")))
		require.NoError(t, err)
		kernel.commits = []func(*fake) error{func(*fake) error { return fmt.Errorf("wrapped: %w", want) }}
		_, err = m.Apply(testContext(t), plan)
		require.ErrorIs(t, err, want)
	}
}

func TestCheckOfStalePlan(t *testing.T) {
	kernel := fakeMachine()
	m := openFake(t, kernel)
	plan, err := m.Plan(testContext(t), fwSpec(devices("eth0")))
	require.NoError(t, err)
	require.NoError(t, m.Check(testContext(t), plan))
	kernel.check = func(*ruleset.Batch) error { return refuseBatch(erestart) }
	require.ErrorIs(t, m.Check(testContext(t), plan), ErrConflict)

	stale := true // others committed once, in tables of their own
	kernel.check = func(*ruleset.Batch) error {
		if stale {
			stale = false
			kernel.generation++
			return refuseBatch(erestart)
		}
		return nil
	}
	require.NoError(t, m.Check(testContext(t), plan))
	assert.Zero(t, kernel.committed)
}

func TestPlanErrors(t *testing.T) {
	m := openFake(t, fakeMachine())
	_, err := m.Plan(testContext(t), nil)
	require.ErrorContains(t, err, "nil")

	_, err = m.Plan(testContext(t), &ruleset.Spec{Tables: []ruleset.Table{{Name: ""}}})
	var field *flowtable.FieldError
	require.ErrorAs(t, err, &field)
	assert.Equal(t, "tables[0].name", field.Path)

	kernel := fakeMachine()
	kernel.tables = []string{"fw"}
	_, err = openFake(t, kernel).Plan(testContext(t), fwSpec(devices("eth0")))
	require.ErrorIs(t, err, ErrForeign)
	assert.ErrorContains(t, err, "table inet fw")

	kernel = fakeMachine()
	kernel.dumpError = errors.New("unreadable")
	_, err = openFake(t, kernel).Plan(testContext(t), fwSpec(devices("eth0")))
	require.ErrorIs(t, err, kernel.dumpError)
}

func TestOpenAfterContextEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := Open(ctx, nil)
	require.ErrorIs(t, err, context.Canceled)
}

func TestFactsOfOtherKernels(t *testing.T) {
	facts, err := openFake(t, fakeMachine()).Facts(testContext(t))
	require.NoError(t, err)
	require.Len(t, facts, 15)
	assert.Equal(t, "release: 6.1 (the Target says so)", facts[0].String())
	assert.Equal(t, "unknown", facts[4].Answer)
}
