package offload_test

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

// A watched Kernel counts what is read and written.
type watched struct {
	*offloadtest.Kernel
	dumps, targets, commits atomic.Int64
	refuse                  func(*ruleset.Batch) error // instead of a commit or a check, where it says so
}

func (w *watched) Dump(ctx context.Context) iter.Seq2[ruleset.Message, error] {
	w.dumps.Add(1)
	return w.Kernel.Dump(ctx)
}

func (w *watched) DumpOf(ctx context.Context, wanted func(ruleset.LoadedTable) bool) iter.Seq2[ruleset.Message, error] {
	w.dumps.Add(1)
	return w.Kernel.DumpOf(ctx, wanted)
}

func (w *watched) TargetOf(ctx context.Context, features, defaultRoutes bool) (*flowtable.Target, error) {
	w.targets.Add(1)
	return w.Kernel.TargetOf(ctx, features, defaultRoutes)
}

func (w *watched) Commit(ctx context.Context, b *ruleset.Batch) ([]ruleset.Message, error) {
	if w.refuse != nil {
		if err := w.refuse(b); err != nil {
			return nil, err
		}
	}
	messages, err := w.Kernel.Commit(ctx, b)
	if err == nil {
		w.commits.Add(1)
	}
	return messages, err
}

func (w *watched) Check(ctx context.Context, b *ruleset.Batch) error {
	if w.refuse != nil {
		if err := w.refuse(b); err != nil {
			return err
		}
	}
	return w.Kernel.Check(ctx, b)
}

// A running Manager is one that runs in a bubble of synctest, where time passes when everything waits.
type running struct {
	*testing.T
	kernel *watched
	m      *offload.Manager
	cancel context.CancelFunc
	done   chan error
}

// inBubble runs a Spec on a kernel in memory, once it is in force or could not be.
func inBubble(t *testing.T, target *flowtable.Target, cfg offload.RunConfig, spec *ruleset.Spec, test func(t *testing.T, r *running)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := open(t, &watched{Kernel: offloadtest.New(t, target)}, cfg)
		r.start(spec)
		test(t, r)
		r.stop(context.Canceled)
	})
}

func open(t *testing.T, kernel *watched, cfg offload.RunConfig) *running {
	t.Helper()
	m, err := offload.Open(t.Context(), &offload.Config{Kernel: kernel, Run: cfg, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, m.Close()) })
	return &running{T: t, kernel: kernel, m: m}
}

func (r *running) start(spec *ruleset.Spec) {
	ctx, cancel := context.WithCancel(r.Context())
	done := make(chan error, 1)
	r.cancel, r.done = cancel, done
	go func() { done <- r.m.Run(ctx, spec) }()
	synctest.Wait()
}

// stop ends the Run, and expects how it ended.
func (r *running) stop(want error) {
	r.Helper()
	before := time.Now()
	r.cancel()
	require.ErrorIs(r, <-r.done, want)
	assert.Zero(r, time.Since(before), "a Run that is told to end waits for nothing")
	assert.Equal(r, offload.PhaseStopped, r.status().Phase)
}

// pass lets time pass.
func (r *running) pass(d time.Duration) {
	time.Sleep(d) // of the bubble
	synctest.Wait()
}

func (r *running) status() *offload.Status {
	r.Helper()
	synctest.Wait()
	for s := range r.m.Statuses(r.Context()) {
		return s
	}
	require.Fail(r, "no Status")
	return nil
}

// states are those of the devices, as "device state".
func (r *running) states() []string {
	r.Helper()
	var list []string
	for _, d := range r.status().Devices {
		list = append(list, d.Device+" "+string(d.State))
	}
	return list
}

// held are the devices that the kernel's flowtable lists, sorted.
func (r *running) held() []string {
	r.Helper()
	have, err := ruleset.Load("", r.kernel.Kernel.Dump(context.Background()))
	require.NoError(r, err)
	var list []string
	for _, f := range have.Flowtables() {
		for _, d := range f.Devices {
			list = append(list, d.Name)
		}
	}
	slices.Sort(list)
	return list
}

// tables counts the tables that the kernel holds.
func (r *running) tables() int {
	r.Helper()
	have, err := ruleset.Load("", r.kernel.Kernel.Dump(context.Background()))
	require.NoError(r, err)
	return len(have.Tables())
}

// fast is a table with a flowtable over these devices and the rule that fills it. A name that ends in "*" is a prefix.
func fast(names ...string) *ruleset.Spec {
	f := flowtable.Spec{Name: "fast"}
	for _, n := range names {
		if prefix, ok := strings.CutSuffix(n, "*"); ok {
			f.Devices = append(f.Devices, flowtable.Selector{Prefix: prefix})
		} else {
			f.Devices = append(f.Devices, flowtable.Selector{Name: n})
		}
	}
	return &ruleset.Spec{Tables: []ruleset.Table{{
		Name: "fw", Flowtables: []flowtable.Spec{f},
		Chains: []ruleset.Chain{{Name: "forward", Hook: ruleset.Forward, Rules: []ruleset.Rule{
			ruleset.R(ruleset.CTState.Is(ruleset.Established), ruleset.L4Proto.Is(ruleset.TCP, ruleset.UDP), ruleset.FlowAdd("fast")),
			ruleset.R(ruleset.Counter()),
		}}},
	}}}
}

func TestRunBindsDevicesAsTheyCome(t *testing.T) {
	inBubble(t, offloadtest.Linux61("eth0"), offload.RunConfig{}, fast("eth0", "eth1"), func(t *testing.T, r *running) {
		s := r.status()
		assert.Equal(t, offload.PhaseSteady, s.Phase)
		assert.Equal(t, []string{"eth0 bound", "eth1 missing"}, r.states())
		require.Len(t, s.Flowtables, 1)
		assert.NotZero(t, s.Flowtables[0].Handle)
		since, handle := s.Devices[0].Since, s.Flowtables[0].Handle
		assert.EqualValues(t, 1, r.kernel.commits.Load())
		dumps := r.kernel.dumps.Load()

		r.pass(time.Second)
		appeared := time.Now()
		r.kernel.AddLink(flowtable.Link{Name: "eth1", Up: true})
		synctest.Wait()
		assert.Equal(t, []string{"eth0", "eth1"}, r.held(), "the first event is served at once")
		assert.Equal(t, []string{"eth0 bound", "eth1 bound"}, r.states())
		s = r.status()
		assert.Equal(t, since, s.Devices[0].Since, "eth0 is what it was")
		assert.Equal(t, appeared, s.Devices[1].Since)
		assert.Equal(t, handle, s.Flowtables[0].Handle)
		assert.EqualValues(t, 2, s.Changes)
		assert.Equal(t, dumps, r.kernel.dumps.Load(), "a device needs no reading of the rules")

		r.pass(time.Second)
		targets := r.kernel.targets.Load()
		r.kernel.DelLink("eth1")
		synctest.Wait()
		assert.Equal(t, []string{"eth0 bound", "eth1 missing"}, r.states())
		assert.Empty(t, r.status().Drift, "that is no one's doing")
		assert.EqualValues(t, 2, r.status().Changes, "the kernel itself took it away")
		assert.Equal(t, targets+1, r.kernel.targets.Load())
	})
}

func TestRunLeavesNamesToNewKernels(t *testing.T) {
	inBubble(t, offloadtest.Linux72("eth0"), offload.RunConfig{}, fast("eth0", "eth1", "ppp*"), func(t *testing.T, r *running) {
		assert.Equal(t, []string{"eth0 bound", "eth1 pending", "ppp* pending"}, r.states())
		r.kernel.AddLink(flowtable.Link{Name: "eth1", Up: true})
		r.kernel.AddLink(flowtable.Link{Name: "ppp0", Up: true})
		r.pass(time.Second)
		assert.Equal(t, []string{"eth0 bound", "eth1 bound", "ppp* bound"}, r.states())
		assert.EqualValues(t, 1, r.status().Changes)
	})
}

// A device that is renamed leaves, and one that comes back under its name is another.
func TestRunFollowsNames(t *testing.T) {
	inBubble(t, offloadtest.Linux612("eth0", "eth1"), offload.RunConfig{}, fast("eth0", "eth1"), func(t *testing.T, r *running) {
		r.kernel.RenameLink("eth1", "old1")
		r.pass(time.Second)
		assert.Equal(t, []string{"eth0"}, r.held())
		assert.Empty(t, r.status().Drift)
		r.kernel.AddLink(flowtable.Link{Name: "eth1", Up: true})
		r.pass(time.Second)
		assert.Equal(t, []string{"eth0", "eth1"}, r.held())
		r.kernel.DelLink("eth1")
		r.kernel.AddLink(flowtable.Link{Name: "eth1", Up: true})
		r.pass(time.Second)
		assert.Equal(t, []string{"eth0", "eth1"}, r.held())
		assert.Empty(t, r.status().Drift)
		assert.Equal(t, offload.PhaseSteady, r.status().Phase)
	})
}

func TestRunGathersStorms(t *testing.T) {
	inBubble(t, offloadtest.Linux61("eth0"), offload.RunConfig{}, fast("eth*"), func(t *testing.T, r *running) {
		r.pass(time.Second)
		before := r.status().Changes
		for i := range 200 {
			r.kernel.AddLink(flowtable.Link{Name: fmt.Sprintf("eth%d", i+1), Up: true})
			r.pass(5 * time.Millisecond)
		}
		r.pass(time.Second - 5*time.Millisecond)
		assert.Len(t, r.held(), 201, "each is served within a second")
		assert.LessOrEqual(t, r.status().Changes-before, uint64(5))
		assert.GreaterOrEqual(t, r.status().Changes-before, uint64(2), "and none waits for the end of the storm")
	})
}

func TestRunIsIdleWithoutEvents(t *testing.T) {
	inBubble(t, offloadtest.Linux61("eth0"), offload.RunConfig{}, fast("eth0"), func(t *testing.T, r *running) {
		r.pass(time.Second)
		targets, dumps := r.kernel.targets.Load(), r.kernel.dumps.Load()
		r.pass(9 * time.Minute)
		assert.Equal(t, targets, r.kernel.targets.Load())
		r.pass(time.Minute)
		assert.Equal(t, targets+1, r.kernel.targets.Load(), "the resync")
		assert.Equal(t, dumps, r.kernel.dumps.Load())
		assert.Equal(t, offload.PhaseSteady, r.status().Phase)
	})
}

func TestRunAdoptsItsTables(t *testing.T) {
	inBubble(t, offloadtest.Linux612("eth0"), offload.RunConfig{}, fast("eth0", "eth1"), func(t *testing.T, r *running) {
		again := open(t, &watched{Kernel: r.kernel.Kernel}, offload.RunConfig{Takeover: true})
		again.start(fast("eth0", "eth1"))
		require.ErrorIs(t, <-r.done, offload.ErrTakenOver)
		assert.Equal(t, offload.PhaseStopped, r.status().Phase)
		assert.Contains(t, r.status().Err, "took over")
		assert.Equal(t, offload.PhaseSteady, again.status().Phase)
		assert.Zero(t, again.kernel.commits.Load())

		third := open(t, &watched{Kernel: r.kernel.Kernel}, offload.RunConfig{})
		assert.ErrorIs(t, third.m.Run(r.Context(), fast("eth0")), offload.ErrRunning)
		other := fast("eth0")
		other.Owner, other.Tables[0].Name = "other", "other"
		third.start(other)
		assert.Equal(t, offload.PhaseSteady, third.status().Phase, "another owner has room")
		third.stop(context.Canceled)
		again.stop(context.Canceled)
		r.start(fast("eth0"))
	})
}

func TestRunTakesOverWithinAManager(t *testing.T) {
	inBubble(t, offloadtest.Linux612("eth0"), offload.RunConfig{Takeover: true}, fast("eth0"), func(t *testing.T, r *running) {
		first := r.done
		r.start(fast("eth0", "eth1"))
		require.ErrorIs(t, <-first, offload.ErrTakenOver)
		assert.Equal(t, []string{"eth0 bound", "eth1 missing"}, r.states())
	})
}

func TestUpdate(t *testing.T) {
	inBubble(t, offloadtest.Linux612("eth0", "eth1"), offload.RunConfig{}, fast("eth0"), func(t *testing.T, r *running) {
		spec := fast("eth0", "eth1")
		require.NoError(t, r.m.Update(spec))
		spec.Tables[0].Name = "changed afterwards"
		synctest.Wait()
		assert.Equal(t, []string{"eth0", "eth1"}, r.held())
		assert.Equal(t, 1, r.tables())
		assert.Empty(t, r.status().Drift)

		var field *flowtable.FieldError
		assert.ErrorAs(t, r.m.Update(&ruleset.Spec{Tables: []ruleset.Table{{}}}), &field)
		assert.ErrorContains(t, r.m.Update(&ruleset.Spec{Owner: "other"}), "other")
		assert.Error(t, r.m.Update(nil))
		require.NoError(t, r.m.Update(&ruleset.Spec{}))
		synctest.Wait()
		assert.Zero(t, r.tables())
	})
	m, err := offload.Open(t.Context(), &offload.Config{Kernel: offloadtest.New(t, nil)})
	require.NoError(t, err)
	assert.ErrorIs(t, m.Update(fast("eth0")), offload.ErrNotRunning)
	var field *flowtable.FieldError
	assert.ErrorAs(t, m.Run(t.Context(), &ruleset.Spec{Tables: []ruleset.Table{{}}}), &field)
	assert.Error(t, m.Run(t.Context(), nil))
}

// Routes are listened to from when a Spec asks for them.
func TestRunFollowsDefaultRoutes(t *testing.T) {
	inBubble(t, offloadtest.Linux612("eth0", "eth1"), offload.RunConfig{}, fast("eth0"), func(t *testing.T, r *running) {
		spec := fast("eth0")
		spec.Tables[0].Flowtables[0].Devices = append(spec.Tables[0].Flowtables[0].Devices, flowtable.Selector{DefaultRoute: true})
		require.NoError(t, r.m.Update(spec))
		r.pass(time.Second)
		assert.Equal(t, []string{"eth0"}, r.held())
		r.kernel.SetDefaultRoutes("eth1")
		synctest.Wait()
		assert.Equal(t, []string{"eth0", "eth1"}, r.held())
	})
}

func TestStatusesOfASlowReader(t *testing.T) {
	inBubble(t, offloadtest.Linux612("eth0"), offload.RunConfig{}, fast("eth*"), func(t *testing.T, r *running) {
		ctx, cancel := context.WithCancel(r.Context())
		var seen []uint64
		read := make(chan struct{})
		go func() {
			defer close(read)
			for s := range r.m.Statuses(ctx) {
				seen = append(seen, s.Changes)
				time.Sleep(time.Minute) // a slow reader, of the bubble's clock
			}
		}()
		for i := range 5 {
			r.pass(time.Second)
			r.kernel.AddLink(flowtable.Link{Name: fmt.Sprintf("eth%d", i+1)})
		}
		r.pass(2 * time.Minute)
		cancel()
		<-read
		assert.Equal(t, []uint64{1, 6}, seen)
	})
}
