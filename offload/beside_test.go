package offload_test

import (
	"context"
	"fmt"
	"iter"
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

// multitude is a large table of someone else.
func multitude(t *testing.T, k *offloadtest.Kernel) {
	t.Helper()
	m, err := offload.Open(t.Context(), &offload.Config{Kernel: k})
	require.NoError(t, err)
	chain := ruleset.Chain{Name: "forward", Hook: ruleset.Forward, Priority: "20"}
	for i := range 500 {
		chain.Rules = append(chain.Rules, ruleset.R(ruleset.IPSaddr.Is(fmt.Sprintf("192.0.%d.%d", i>>8, i&255)), ruleset.Drop()))
	}
	applySpec(t, m, &ruleset.Spec{Owner: "them", Tables: []ruleset.Table{{Name: "theirs", Chains: []ruleset.Chain{chain}}}})
	require.NoError(t, m.Close())
}

// Others who commit while the ruleset is read, and just before each of our batches, keep nobody from anything.
func TestBesideWriter(t *testing.T) {
	for name, calls := range map[string]func(t *testing.T, m *offload.Manager, k *offloadtest.Kernel){
		"apply": func(t *testing.T, m *offload.Manager, k *offloadtest.Kernel) {
			plan, err := m.Plan(t.Context(), firewall(dropPort(23)))
			require.NoError(t, err)
			require.Len(t, plan.Conflicts(), 1, "they are read apart")
			k.HurryCommits(200)
			_, err = m.Apply(t.Context(), plan)
			require.NoError(t, err)
			plan, err = m.Plan(t.Context(), firewall(dropPort(23)))
			require.NoError(t, err)
			assert.True(t, plan.Empty())
		},
		"a new table": func(t *testing.T, m *offload.Manager, k *offloadtest.Kernel) {
			k.HurryCommits(200)
			applySpec(t, m, &ruleset.Spec{Tables: []ruleset.Table{{Name: "other"}}})
			assert.Contains(t, k.Ruleset(), "table inet other")
		},
		"off and on": func(t *testing.T, m *offload.Manager, k *offloadtest.Kernel) {
			k.HurryCommits(200)
			require.NoError(t, m.Off(t.Context(), ""))
			assert.NotContains(t, k.Ruleset(), "flowtable")
			k.HurryCommits(200)
			require.NoError(t, m.On(t.Context(), ""))
			_, off, err := m.IsOff(t.Context(), "")
			require.NoError(t, err)
			assert.False(t, off)
		},
		"confirm": func(t *testing.T, m *offload.Manager, k *offloadtest.Kernel) {
			plan, err := m.Plan(t.Context(), firewall(dropPort(23)))
			require.NoError(t, err)
			p, err := m.ApplyConfirm(t.Context(), plan, time.Minute)
			require.NoError(t, err)
			k.HurryCommits(200)
			require.NoError(t, p.Confirm(t.Context()))
		},
		"take back": func(t *testing.T, m *offload.Manager, k *offloadtest.Kernel) {
			before := k.Ruleset()
			plan, err := m.Plan(t.Context(), firewall(dropPort(23)))
			require.NoError(t, err)
			_, err = m.ApplyConfirm(t.Context(), plan, time.Minute)
			require.NoError(t, err)
			k.HurryCommits(200)
			time.Sleep(2 * time.Minute) // of the bubble's time
			synctest.Wait()
			assert.Equal(t, before, k.Ruleset())
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, k := onFake(t, offloadtest.Linux72("eth0"), nil)
				applySpec(t, m, firewall(dropPort(22)))
				multitude(t, k)
				k.InterruptReads(5)
				calls(t, m, k)
			})
		})
	}
}

// Who commits before each batch is followed until the context ends, and nothing is changed then.
func TestBesideWriterWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, k := onFake(t, offloadtest.Linux72("eth0"), nil)
		applySpec(t, m, firewall(dropPort(22)))
		before := k.Ruleset()
		k.HurryCommits(1 << 30)
		for name, call := range map[string]func(context.Context) error{
			"apply": func(ctx context.Context) error {
				_, err := m.Reconcile(ctx, firewall(dropPort(23)))
				return err
			},
			"off": func(ctx context.Context) error { return m.Off(ctx, "") },
		} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			require.ErrorIs(t, call(ctx), context.DeadlineExceeded, name)
			cancel()
			assert.Equal(t, before, k.Ruleset(), name)
		}
		k.HurryCommits(0)
	})
}

// Others' rules are read again for conflicts when they changed, and not for elements or what is ours.
func TestConflictsAreReadAtLeisure(t *testing.T) {
	k := &watched{Kernel: offloadtest.New(t, offloadtest.Linux72("eth0", "eth1"))}
	m, err := offload.Open(t.Context(), &offload.Config{Kernel: k})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, m.Close()) })
	spec := elephants(flowtable.HardwareOff, "eth0")
	applySpec(t, m, spec)
	plan, err := m.Plan(t.Context(), spec)
	require.NoError(t, err)
	assert.Empty(t, plan.Conflicts())
	dumps := k.dumps.Load()
	applySpec(t, m, elephants(flowtable.HardwareOff, "eth0", "eth1"))
	applySpec(t, m, spec)
	assert.Equal(t, dumps, k.dumps.Load(), "only ours changed")
	beside(t, k.Kernel)
	plan, err = m.Plan(t.Context(), spec)
	require.NoError(t, err)
	assert.NotEmpty(t, plan.Conflicts())
	assert.Equal(t, dumps+2, k.dumps.Load(), "the outline and what others have")
}

// A watchdog does not give up while the mark of its change stands, however long the kernel refuses.
func TestWatchdogPersists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, k := onFake(t, offloadtest.Linux72("eth0"), nil)
		applySpec(t, m, firewall(dropPort(22)))
		before := k.Ruleset()
		plan, err := m.Plan(t.Context(), firewall(dropPort(23)))
		require.NoError(t, err)
		_, err = m.ApplyConfirm(t.Context(), plan, time.Minute)
		require.NoError(t, err)
		for range 200 {
			k.LoseAnswer(false)
		}
		time.Sleep(2 * time.Hour) // of the bubble's time
		synctest.Wait()
		assert.Equal(t, before, k.Ruleset())
	})
}

// A deleted kernel's namespace is gone once it says so.
type deleted struct {
	offload.Kernel
	gone  bool
	asked int
}

func (d *deleted) GenerationID(ctx context.Context) (uint32, error) {
	if !d.gone {
		return d.Kernel.GenerationID(ctx)
	}
	d.asked++
	return 0, offload.ErrNamespaceGone
}

// The watchdog ends with the namespace of its change: there is nothing to take back any more.
func TestWatchdogEndsWithItsNamespace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &deleted{Kernel: offloadtest.New(t, offloadtest.Linux72("eth0"))}
		m, err := offload.Open(t.Context(), &offload.Config{Kernel: k})
		require.NoError(t, err)
		applySpec(t, m, firewall(dropPort(22)))
		plan, err := m.Plan(t.Context(), firewall(dropPort(23)))
		require.NoError(t, err)
		_, err = m.ApplyConfirm(t.Context(), plan, time.Minute)
		require.NoError(t, err)
		synctest.Wait()
		k.gone = true
		time.Sleep(2 * time.Minute) // of the bubble's time
		synctest.Wait()
		asked := k.asked
		assert.Positive(t, asked)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		assert.Equal(t, asked, k.asked)
	})
}

// An elbowed kernel has others do something just before some of the commits.
type elbowed struct {
	*offloadtest.Kernel
	times     int
	meanwhile func()
}

func (e *elbowed) Commit(ctx context.Context, b *ruleset.Batch) ([]ruleset.Message, error) {
	if e.times > 0 {
		e.times--
		e.meanwhile()
	}
	return e.Kernel.Commit(ctx, b)
}

// Off goes on while others change our own tables too, as long as it takes.
func TestOffBesideWriterOfOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := offloadtest.New(t, offloadtest.Linux72("eth0"))
		other, err := offload.Open(t.Context(), &offload.Config{Kernel: k})
		require.NoError(t, err)
		applySpec(t, other, firewall(dropPort(22)))
		port := uint16(100)
		m, err := offload.Open(t.Context(), &offload.Config{Kernel: &elbowed{k, 300, func() {
			port++
			applySpec(t, other, firewall(dropPort(port)))
		}}})
		require.NoError(t, err)
		require.NoError(t, m.Off(t.Context(), ""))
		assert.NotContains(t, k.Ruleset(), "flowtable")
		require.NoError(t, m.Close())
		require.NoError(t, other.Close())
	})
}

// Elements that others put into a live set of ours before each of our batches are nothing to it.
func TestApplyBesideFilledSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := offloadtest.New(t, offloadtest.Linux72("eth0"))
		other, err := offload.Open(t.Context(), &offload.Config{Kernel: k})
		require.NoError(t, err)
		spec := firewall(dropPort(22))
		spec.Tables[0].Sets = append(spec.Tables[0].Sets, ruleset.Set{Name: "answers", Type: ruleset.IPv4Addr, Live: true})
		applySpec(t, other, spec)
		n := 0
		m, err := offload.Open(t.Context(), &offload.Config{Kernel: &elbowed{k, 50, func() {
			n++
			_, err := other.AddElements(t.Context(), offload.LiveSet{Table: "fw", Set: "answers"}, fmt.Sprintf("192.0.2.%d", n))
			require.NoError(t, err)
		}}})
		require.NoError(t, err)
		again := firewall(dropPort(23))
		again.Tables[0].Sets = spec.Tables[0].Sets
		applySpec(t, m, again)
		assert.Equal(t, 50, n)
		require.NoError(t, m.Close())
		require.NoError(t, other.Close())
	})
}

// What others did to their tables, before a batch that is sent again, has nothing of ours read again; what they have is.
func TestOursIsNotReadAgainBesideWriter(t *testing.T) {
	reader := &counted{Kernel: offloadtest.New(t, offloadtest.Linux72("eth0"))}
	m, err := offload.Open(t.Context(), &offload.Config{Kernel: reader})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, m.Close()) })
	them, err := offload.Open(t.Context(), &offload.Config{Kernel: reader.Kernel})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, them.Close()) })
	theirs := &ruleset.Spec{Owner: "them", Tables: []ruleset.Table{{Name: "somebody"}}} // the table that HurryCommits is about
	applySpec(t, them, theirs)
	applySpec(t, m, firewall())

	plan, err := m.Plan(t.Context(), firewall(dropPort(22)))
	require.NoError(t, err)
	require.Empty(t, plan.Conflicts())
	reader.ours.Store(0)
	theirs.Tables[0].Chains = []ruleset.Chain{{Name: "forward", Hook: ruleset.Forward, Priority: "20", Rules: []ruleset.Rule{dropPort(9)}}}
	reader.before = func() { applySpec(t, them, theirs) }
	_, err = m.Apply(t.Context(), plan)
	require.NoError(t, err)
	assert.Nil(t, reader.before, "another program committed just before")

	plan, err = m.Plan(t.Context(), firewall(dropPort(22)))
	require.NoError(t, err)
	assert.True(t, plan.Empty(), plan)
	assert.Len(t, plan.Conflicts(), 1, "of what others did meanwhile")
	assert.Zero(t, reader.ours.Load())

	theirs.Tables[0].Chains = nil
	applySpec(t, them, theirs)
	plan, err = m.Plan(t.Context(), firewall(dropPort(22)))
	require.NoError(t, err)
	assert.Empty(t, plan.Conflicts())
	assert.Zero(t, reader.ours.Load())
}

// A counted Kernel counts how often tables of the default owner are read.
type counted struct {
	*offloadtest.Kernel
	ours   atomic.Int64
	before func() // once, just before a commit
}

func (c *counted) DumpOf(ctx context.Context, wanted func(ruleset.LoadedTable) bool) iter.Seq2[ruleset.Message, error] {
	if wanted(ruleset.LoadedTable{Name: "fastpath", Family: ruleset.Inet, Owner: ruleset.DefaultOwner}) {
		c.ours.Add(1)
	}
	return c.Kernel.DumpOf(ctx, wanted)
}

func (c *counted) Commit(ctx context.Context, b *ruleset.Batch) ([]ruleset.Message, error) {
	if before := c.before; before != nil {
		c.before = nil
		before()
	}
	return c.Kernel.Commit(ctx, b)
}
