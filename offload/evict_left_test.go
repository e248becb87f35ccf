package offload_test

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

// denying are connections that are not deleted as long as it is so: deny is what the kernel says to it.
type denying struct {
	conntrack.Source
	mu   sync.Mutex
	deny error
}

func (d *denying) say(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.deny = err
}

func (d *denying) Delete(ctx context.Context, key conntrack.Key) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.deny != nil {
		return d.deny
	}
	return d.Source.Delete(ctx, key)
}

// unfound says that there is nothing to delete, as a kernel does to a key with a wrong zone.
func unfound(kernel *offloadtest.Kernel) *denying {
	return &denying{Source: kernel.Conntrack(), deny: fs.ErrNotExist}
}

func openWith(t *testing.T, kernel offload.Kernel, source conntrack.Source) *offload.Manager {
	t.Helper()
	m, err := offload.Open(t.Context(), &offload.Config{Kernel: kernel, Conntrack: source})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, m.Close()) })
	return m
}

// Apply names the flows that it forbade and that are there after its last attempt: the first few, and how many more.
func TestApplyTellsWhoStays(t *testing.T) {
	kernel := offloadtest.New(t, nil)
	m := openWith(t, kernel, unfound(kernel))
	applySpec(t, m, firewall())
	flow(kernel, 80, conntrack.Offload)
	for port := uint16(20); port < 25; port++ {
		flow(kernel, port, conntrack.Offload)
	}
	plan, err := m.Plan(t.Context(), firewall(ruleset.R(ruleset.TCPDport.Is(20, 21, 22, 23, 24), ruleset.Drop())))
	require.NoError(t, err)
	generation, err := m.Apply(t.Context(), plan)
	require.ErrorIs(t, err, offload.ErrNotEvicted)
	assert.Equal(t, kernel.Generation(), generation, "the plan is in force")
	for _, text := range []string{"dport=20", "dport=22", "and 2 more", "forward", "conntrack -D"} {
		assert.ErrorContains(t, err, text)
	}
	assert.NotContains(t, err.Error(), "dport=80")
	assert.NotContains(t, err.Error(), "dport=24")
}

// So do elements of live sets, Evict and Uninstall's kin.
func TestWhoeverEvictsTellsWhoStays(t *testing.T) {
	kernel := offloadtest.New(t, nil)
	m := openWith(t, kernel, unfound(kernel))
	applySpec(t, m, firewall())
	flow(kernel, 80, conntrack.Offload)
	flow(kernel, 81, 0)
	_, err := m.AddElements(t.Context(), offload.LiveSet{Table: "fw", Set: "slow"}, "203.0.113.0/24")
	require.ErrorIs(t, err, offload.ErrNotEvicted)
	require.ErrorContains(t, err, "dport=80")

	done, err := m.Evict(t.Context(), offload.Eviction{Match: conntrack.Match{Proto: conntrack.TCP}})
	var stays *conntrack.StaysError
	require.ErrorAs(t, err, &stays)
	assert.Len(t, stays.Entries, 2)
	assert.Empty(t, done.Victims, "nobody was removed")
}

// renewed are connections of clients that never give up: what is deleted begins anew at once, and the rules offload it again.
type renewed struct {
	conntrack.Source
	kernel  *offloadtest.Kernel
	deletes atomic.Int32
}

func (r *renewed) Delete(ctx context.Context, key conntrack.Key) error {
	e, err := r.Lookup(ctx, key)
	if err == nil {
		err = r.Source.Delete(ctx, key)
	}
	if err == nil {
		r.deletes.Add(1)
		e.ID = 0
		r.kernel.AddFlow(e)
	}
	return err
}

// What the new rules may forbid is evicted once. What comes again met them, and is neither evicted for ever nor told as left.
func TestApplyLeavesWhatBeganAnew(t *testing.T) {
	kernel := offloadtest.New(t, nil)
	source := &renewed{Source: kernel.Conntrack(), kernel: kernel}
	m := openWith(t, kernel, source)
	applySpec(t, m, firewall())
	flow(kernel, 80, conntrack.Offload)
	applySpec(t, m, firewall(ruleset.R(ruleset.MetaMark.Is(7), ruleset.Drop()))) // nobody knows the mark of its packets
	assert.EqualValues(t, 1, source.deletes.Load())
	assert.Equal(t, []uint16{80}, ports(t, kernel))
}

// What could not be evicted is owed: a later change of the owner makes up for it, and an empty plan does.
func TestApplyAgainEvicts(t *testing.T) {
	kernel := offloadtest.New(t, nil)
	source := &denying{Source: kernel.Conntrack(), deny: errors.New("no way")}
	m := openWith(t, kernel, source)
	applySpec(t, m, firewall())
	flow(kernel, 22, conntrack.Offload)
	flow(kernel, 23, conntrack.Offload)
	_, err := m.Reconcile(t.Context(), firewall(dropPort(22)))
	require.ErrorIs(t, err, offload.ErrNotEvicted)
	_, err = m.Reconcile(t.Context(), firewall(dropPort(22), dropPort(23)))
	require.ErrorIs(t, err, offload.ErrNotEvicted)
	again, err := m.Reconcile(t.Context(), firewall(dropPort(22), dropPort(23)))
	require.ErrorIs(t, err, offload.ErrNotEvicted, "though there is nothing to commit")
	assert.True(t, again.Plan.Empty())

	source.say(nil)
	applySpec(t, m, firewall(dropPort(22), dropPort(23)))
	assert.Empty(t, ports(t, kernel))
}

// A commit whose answer was lost, on a kernel that cannot be read then, may be in force: what it forbids is evicted when that shows.
func TestLostAnswersEvict(t *testing.T) {
	m, kernel := onFake(t, nil, nil)
	applySpec(t, m, firewall())
	flow(kernel, 22, conntrack.Offload)
	plan, err := m.Plan(t.Context(), firewall(dropPort(22)))
	require.NoError(t, err)
	kernel.LoseAnswer(true)
	kernel.FailDump(syscall.ENOBUFS)
	_, err = m.Apply(t.Context(), plan)
	require.ErrorIs(t, err, syscall.ENOBUFS)
	assert.Equal(t, []uint16{22}, ports(t, kernel))

	done, err := m.Reconcile(t.Context(), firewall(dropPort(22)))
	require.NoError(t, err)
	assert.True(t, done.Plan.Empty(), "it was in force")
	assert.Empty(t, ports(t, kernel))
}

// A flow that was forbidden before the first change that owes, free after it and forbidden again by one that owes too, goes with the next.
func TestApplyAgainEvictsWhatWasFreeInBetween(t *testing.T) {
	kernel := offloadtest.New(t, nil)
	source := &denying{Source: kernel.Conntrack()}
	m := openWith(t, kernel, source)
	applySpec(t, m, firewall(dropPort(23)))
	flow(kernel, 22, conntrack.Offload)
	source.say(fs.ErrNotExist)
	_, err := m.Reconcile(t.Context(), firewall(dropPort(22)))
	require.ErrorIs(t, err, offload.ErrNotEvicted)
	flow(kernel, 23, conntrack.Offload)
	_, err = m.Reconcile(t.Context(), firewall(dropPort(22), dropPort(23)))
	require.ErrorIs(t, err, offload.ErrNotEvicted)
	source.say(nil)
	applySpec(t, m, firewall(dropPort(22), dropPort(23)))
	assert.Empty(t, ports(t, kernel))
}

// Who may not read the ruleset at the moment applies nothing: nobody could tell, then or later, which flows the plan forbids.
func TestApplyUnreadChangesNothing(t *testing.T) {
	m, kernel := onFake(t, nil, nil)
	applySpec(t, m, firewall())
	flow(kernel, 22, conntrack.Offload)
	plan, err := m.Plan(t.Context(), firewall(dropPort(22)))
	require.NoError(t, err)
	kernel.ForeignCommit()
	_, _, err = m.IsOff(t.Context(), "") // what is remembered is no longer what the plan was made from
	require.NoError(t, err)
	generation := kernel.Generation()
	kernel.FailDump(syscall.EPERM)
	_, err = m.Apply(t.Context(), plan)
	require.ErrorIs(t, err, fs.ErrPermission)
	require.NotErrorIs(t, err, offload.ErrNotEvicted)
	assert.Equal(t, generation, kernel.Generation())

	applySpec(t, m, firewall(dropPort(22)))
	assert.Empty(t, ports(t, kernel))
}

// Run tells of flows that it could not evict as long as they are there, and tries again.
func TestRunEvictsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kernel := &watched{Kernel: offloadtest.New(t, offloadtest.Linux612("eth0", "eth1"))}
		source := &denying{Source: kernel.Conntrack()}
		r := &running{T: t, kernel: kernel, m: openWith(t, kernel, source)}
		r.start(firewall())
		flow(kernel.Kernel, 22, conntrack.Offload)
		source.say(fs.ErrNotExist)
		require.NoError(t, r.m.Update(firewall(dropPort(22))))
		for range 5 {
			r.pass(time.Minute)
			s := r.status()
			assert.Equal(t, offload.PhaseRetrying, s.Phase)
			assert.Contains(t, s.Err, "dport=22")
		}
		source.say(nil)
		r.pass(time.Minute)
		s := r.status()
		assert.Equal(t, offload.PhaseSteady, s.Phase, "%v", s)
		assert.Empty(t, s.Err)
		assert.Empty(t, ports(t, kernel.Kernel))
		r.stop(context.Canceled)
	})
}
