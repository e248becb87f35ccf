package offload_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestSoakFaults lets every call of the kernel in memory and of its connections fail at random, while Run keeps a Spec, others apply, confirm,
// evict, watch and book, and Specs, devices and strangers change. Each round is a seed, and some minutes of virtual time. When faults stop all is
// as declared, no flow is where the rules forbid it, and nothing is left behind. It goes on for FASTPATH_SOAK (make soak), or
// for a second; FASTPATH_SEED begins with another seed.
func TestSoakFaults(t *testing.T) {
	end, told := soakUntil(t).Add(time.Second), time.Now()
	first := uint64(time.Now().UnixNano() % 1e6)
	if text := os.Getenv("FASTPATH_SEED"); text != "" {
		_, err := fmt.Sscan(text, &first)
		require.NoError(t, err, "FASTPATH_SEED")
	}
	descriptors := openDescriptors()
	met := map[string]int{}
	rounds := uint64(0)
	for ; rounds < 1 || time.Now().Before(end); rounds++ {
		seed := first + rounds
		if !t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { soakFaults(t, seed, met) }) {
			t.Fatalf("FASTPATH_SEED=%d shows it, perhaps", seed)
		}
		if time.Since(told) > 30*time.Second {
			told = time.Now()
			fmt.Fprintf(os.Stderr, "TestSoakFaults: %d rounds from seed %d, %d faults\n", rounds+1, first, sum(met))
		}
	}
	t.Logf("%d rounds from seed %d, %d faults: %v", rounds, first, sum(met), met)
	assert.Equal(t, descriptors, openDescriptors(), "open descriptors")
}

// soakUntil is when a long run ends; at once unless FASTPATH_SOAK says how long it takes.
func soakUntil(t *testing.T) time.Time {
	t.Helper()
	text := os.Getenv("FASTPATH_SOAK")
	if text == "" {
		return time.Now()
	}
	d, err := time.ParseDuration(text)
	require.NoError(t, err, "FASTPATH_SOAK")
	return time.Now().Add(d)
}

func sum(met map[string]int) (n int) {
	for m := range maps.Values(met) {
		n += m
	}
	return n
}

// openDescriptors is how many this process has; 0 where that cannot be told. The two that Go's runtime opens for itself, sooner or later, do
// not count.
func openDescriptors() (n int) {
	list, _ := os.ReadDir("/proc/self/fd")
	for _, e := range list {
		if what, _ := os.Readlink("/proc/self/fd/" + e.Name()); !strings.HasPrefix(what, "anon_inode:[event") {
			n++
		}
	}
	return n
}

// soakFaults is one round. That goroutines end is what the bubble sees to.
func soakFaults(t *testing.T, seed uint64, met map[string]int) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(seed, 0))
		target := []*flowtable.Target{offloadtest.Linux61("eth0", "eth1"), offloadtest.Linux612("eth0", "eth1"), offloadtest.Linux72("eth0", "eth1")}[seed%3]
		w := &world{T: t, kernel: &faultyKernel{
			Kernel: offloadtest.New(nil, target),
			faults: &faults{random: random, rate: []float64{0.02, 0.1, 0.3}[random.IntN(3)], met: map[string]int{}},
		}}
		w.kernel.changed = w.settle
		w.kept, w.side = w.manager(offload.RunConfig{MaxChanges: -1}), w.manager(offload.RunConfig{})
		w.ledger = conntrack.NewLedger(func(conntrack.Entry) (int, bool) { return 0, true })
		w.spec = w.anySpec()
		busy, rest := context.WithCancel(t.Context())
		running, stop := context.WithCancel(t.Context())
		var workers, keepers sync.WaitGroup
		keepers.Go(func() { w.run(running) })
		keepers.Go(func() { w.watch(running) })
		keepers.Go(func() { w.readStatuses(running) })
		for _, step := range []func(context.Context){w.change, w.evict, w.meddle, w.meddle} {
			workers.Go(func() { w.repeat(busy, 5*time.Second, step) })
		}
		workers.Go(func() { w.repeat(busy, 30*time.Second, w.applySide) }) // ApplyConfirm reads twice what became of a change, 10 s each
		time.Sleep(time.Duration(10+w.kernel.n(120)) * time.Second)
		w.kernel.set(0)
		rest()
		workers.Wait()
		time.Sleep(30 * time.Minute) // the last tries of what was refused, windows of confirmations, and what nothing announced
		synctest.Wait()
		w.judge(t.Context())
		stop()
		keepers.Wait()
		require.NoError(t, errors.Join(w.kept.Close(), w.side.Close()))
		for where, n := range w.kernel.met {
			met[where] += n
		}
	})
}

// A world is a machine, and all who are at work on it.
type world struct {
	*testing.T
	kernel     *faultyKernel
	kept, side *offload.Manager
	ledger     *conntrack.Ledger[int]
	flowtable  uint64 // handle of fw fast; 0 is none

	mu    sync.Mutex
	spec  *ruleset.Spec // what kept's Run was given last
	ended error         // by which Run ended last
}

func (w *world) manager(cfg offload.RunConfig) *offload.Manager {
	m, err := offload.Open(w.Context(), &offload.Config{Kernel: w.kernel, Run: cfg})
	require.NoError(w, err)
	return m
}

// repeat takes steps, each of which has to end by its context, or some time after it, until ctx ends.
func (w *world) repeat(ctx context.Context, after time.Duration, step func(context.Context)) {
	for ctx.Err() == nil {
		limit := time.Duration(1+w.kernel.n(20000)) * time.Millisecond
		within, cancel := context.WithTimeout(ctx, limit)
		began := time.Now()
		step(within)
		cancel()
		assert.LessOrEqual(w, time.Since(began), limit+after, "a call goes on behind its context")
		_ = sleep(ctx, time.Duration(w.kernel.n(2000))*time.Millisecond)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// anySpec declares a flowtable, ports that are dropped, and a live set of excluded addresses.
func (w *world) anySpec() *ruleset.Spec {
	var rules []ruleset.Rule
	for port := uint16(20); port < 24; port++ {
		if w.kernel.n(2) == 0 {
			rules = append(rules, dropPort(port).Note(fmt.Sprint("drop ", port)))
		}
	}
	spec := firewall(rules...)
	f := &spec.Tables[0].Flowtables[0]
	f.Devices = [][]flowtable.Selector{{{Prefix: "eth"}}, {{Name: "eth1"}}, {{Name: "eth0"}, {Name: "eth2"}}}[w.kernel.n(3)]
	f.Priority = flowtable.Priority(fmt.Sprint(w.kernel.n(3)))
	return spec
}

// run keeps what is declared, again where it ends for a fault.
func (w *world) run(ctx context.Context) {
	for ctx.Err() == nil {
		w.mu.Lock()
		spec := w.spec
		w.mu.Unlock()
		if err := w.kept.Run(ctx, spec); ctx.Err() == nil {
			assert.Error(w, err, "a Run that ends says why")
			w.mu.Lock()
			w.ended = err
			w.mu.Unlock()
			_ = sleep(ctx, time.Second)
		}
	}
}

func (w *world) readStatuses(ctx context.Context) {
	for s := range w.kept.Statuses(ctx) {
		if s.Phase == offload.PhaseRetrying {
			assert.NotEmpty(w, s.Err, "what is wrong")
			assert.NotZero(w, s.Retry, "when it is tried again")
		}
	}
}

// watch follows the connections, and books them.
func (w *world) watch(ctx context.Context) {
	for ctx.Err() == nil {
		watcher, err := w.side.Watch(ctx, nil)
		if err == nil {
			w.ledger.Begin()
			for change, err := range watcher.Changes(ctx, conntrack.Match{}) {
				if err != nil {
					break
				}
				w.ledger.Add(change)
				if w.kernel.strike("a Ledger that is saved") {
					assert.NoError(w, w.ledger.Save(io.Discard))
				}
			}
			assert.NoError(w, watcher.Close())
		}
		_ = sleep(ctx, time.Second)
	}
}

// change is what the operator of the kept Spec does.
func (w *world) change(ctx context.Context) {
	set := offload.LiveSet{Table: "fw", Set: "slow"}
	switch w.kernel.n(8) {
	case 0, 1, 2:
		spec := w.anySpec()
		w.mu.Lock()
		if w.kept.Update(spec) == nil { // else Run may be on its way with the one before
			w.spec = spec
		}
		w.mu.Unlock()
	case 3:
		_, _ = w.kept.AddElements(ctx, set, fmt.Sprintf("203.0.113.%d", w.kernel.n(4)))
	case 4:
		_, _ = w.kept.DeleteElements(ctx, set, fmt.Sprintf("203.0.113.%d", w.kernel.n(4)))
	case 5:
		_ = w.side.Off(ctx, "")
	case 6, 7:
		_ = w.side.On(ctx, "")
	}
}

// sideSpec is another owner's.
func (w *world) sideSpec() *ruleset.Spec {
	spec := fast("eth0")
	spec.Owner, spec.Tables[0].Name = "side", "side"
	spec.Tables[0].Chains[0].Rules = append(spec.Tables[0].Chains[0].Rules, ruleset.R(ruleset.TCPDport.Is(uint16(1+w.kernel.n(9))), ruleset.Counter()))
	return spec
}

// applySide is what that one does.
func (w *world) applySide(ctx context.Context) {
	spec := w.sideSpec()
	switch w.kernel.n(8) {
	case 0:
		_, _ = w.side.Uninstall(ctx, "side")
		return
	case 1:
		_ = w.side.Off(ctx, "side")
		return
	case 2:
		_ = w.side.On(ctx, "side")
		return
	case 3:
		_, _ = w.side.Reconcile(ctx, spec)
		return
	}
	plan, err := w.side.Plan(ctx, spec)
	if err != nil {
		return
	}
	switch w.kernel.n(4) {
	case 0:
		_, _ = w.side.DryRun(ctx, plan)
	case 1:
		_, _ = w.side.Apply(ctx, plan)
	default:
		pending, _ := w.side.ApplyConfirm(ctx, plan, time.Duration(1+w.kernel.n(20))*time.Second)
		if pending == nil {
			return
		}
		_ = sleep(ctx, time.Duration(w.kernel.n(3000))*time.Millisecond)
		switch w.kernel.n(3) {
		case 0:
			_ = pending.Confirm(ctx)
		case 1:
			_ = pending.Rollback(ctx)
		}
	}
}

func (w *world) evict(ctx context.Context) {
	e := offload.Eviction{Match: conntrack.Match{Proto: conntrack.TCP}, DryRun: w.kernel.n(2) == 0}
	switch w.kernel.n(5) {
	case 0:
		e.Device = "eth0"
	case 1:
		_, _ = w.kept.EvictStale(ctx)
		return
	case 2:
		_, _ = w.kept.Report(ctx, nil)
		return
	case 3:
		e.Match.Tuple.Dst = netip.AddrPortFrom(netip.MustParseAddr("203.0.113.1"), 80)
	}
	_, _ = w.side.Evict(ctx, e)
}

// meddle is what happens to a machine.
func (w *world) meddle(context.Context) {
	w.kernel.lock.Lock()
	defer w.kernel.lock.Unlock()
	defer w.settle()
	name := fmt.Sprint("eth", w.kernel.n(4))
	switch n := w.kernel.n(20); n {
	case 0, 1:
		w.kernel.AddLink(flowtable.Link{Name: name})
	case 2:
		w.kernel.DelLink(name)
	case 3:
		w.kernel.RenameLink(name, fmt.Sprint("eth", w.kernel.n(6)))
	case 4:
		w.kernel.ForeignFlush()
	case 5:
		w.kernel.ForeignDelete(ruleset.Inet, []string{"fw", "side"}[w.kernel.n(2)])
	case 6:
		w.kernel.LoseEvents()
	case 7:
		w.kernel.Overrun()
	case 8:
		w.kernel.ForeignCommit()
	default:
		w.connect(n)
	}
}

// connect begins a connection, ends one or has the rules offload it. It is called with the lock held, so that the rules stay.
func (w *world) connect(n int) {
	tuple := conntrack.Tuple{
		Src: netip.AddrPortFrom(netip.MustParseAddr("192.168.1.2"), 4000), Proto: conntrack.TCP,
		Dst: netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(w.kernel.n(4))}), uint16(20+w.kernel.n(5))),
	}
	e := conntrack.Entry{Orig: tuple, Status: conntrack.SeenReply | conntrack.Assured | conntrack.Confirmed}
	switch {
	case n < 11:
		w.kernel.DelFlow(e.Key())
	default:
		if !w.drops()[tuple.Dst.Port()] && w.flowtable != 0 {
			e.Status |= conntrack.Offload
		}
		w.kernel.AddFlow(e)
	}
}

// held is what the kernel holds, read beside all faults.
func (w *world) held() *ruleset.Loaded {
	l, err := ruleset.Load("", w.kernel.Kernel.Dump(context.Background()))
	require.NoError(w, err)
	return l
}

// drops are the ports that the rules in force drop.
func (w *world) drops() map[uint16]bool {
	ports := map[uint16]bool{}
	for _, r := range w.held().Rules() {
		var port uint16
		if _, err := fmt.Sscanf(r.Comment, "drop %d", &port); err == nil && r.Table == "fw" {
			ports[port] = true
		}
	}
	return ports
}

// settle does what kernels do behind a change: the flows of a flowtable that went leave the fast path. It is called with the lock held.
func (w *world) settle() {
	var handle uint64
	for _, f := range w.held().Flowtables() {
		if f.Table == "fw" {
			handle = f.Handle
		}
	}
	if handle == w.flowtable {
		return
	}
	w.flowtable = handle
	for _, e := range w.flows() {
		e.Status &^= conntrack.Offload
		w.kernel.SetFlow(e)
	}
}

func (w *world) flows() []conntrack.Entry {
	var list []conntrack.Entry
	for e, err := range w.kernel.Kernel.Conntrack().Dump(context.Background(), conntrack.Match{}) {
		require.NoError(w, err)
		list = append(list, e)
	}
	return list
}

// judge is for a machine at rest, of which no call fails any more.
func (w *world) judge(ctx context.Context) {
	_ = w.side.Confirm(ctx, "side") // of a change that others' changes kept from being taken back
	require.NoError(w, w.side.On(ctx, "side"))
	_, off, err := w.side.IsOff(ctx, "")
	require.NoError(w, err)
	var s *offload.Status
	soon, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for s = range w.kept.Statuses(soon) {
		break
	}
	require.NotNil(w, s, "Run has a Status; it ended by %v", w.ended)
	want := offload.PhaseSteady
	if off {
		want = offload.PhaseOff
	}
	assert.Equal(w, want, s.Phase, "%v", s)
	assert.Empty(w, s.Err)
	plan, err := w.side.Plan(ctx, w.spec)
	require.NoError(w, err)
	assert.Empty(w, plan.String(), "what Run keeps is as declared")
	side := w.sideSpec()
	done, err := w.side.Reconcile(ctx, side)
	require.NoError(w, err)
	plan, err = w.side.Plan(ctx, side)
	require.NoError(w, err)
	assert.Empty(w, plan.String(), "what is applied is as declared; by %v", done.Plan)

	drops := w.drops()
	for _, e := range w.flows() {
		if e.Status&conntrack.Offload != 0 {
			assert.False(w, drops[e.Orig.Dst.Port()], "%v is in the fast path, and its port is dropped", e.Orig)
		}
	}
	time.Sleep(5 * time.Minute) // two readings of the table
	synctest.Wait()
	account, _ := w.ledger.Get(0)
	assert.EqualValues(w, len(w.flows()), account.Live, "connections that are booked as live")
}
