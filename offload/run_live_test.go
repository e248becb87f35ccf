package offload_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/oncehost"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

var slow = offload.LiveSet{Table: "fw", Set: "slow"}

// withSlow has a live set with one declared element.
func withSlow() *ruleset.Spec {
	spec := fast("eth0")
	spec.Tables[0].Sets = []ruleset.Set{{Name: "slow", Type: ruleset.IPv4Addr, Interval: true, Live: true, Elements: []string{"192.0.2.1"}}}
	return spec
}

func (r *running) add(elements ...string) {
	r.Helper()
	_, err := r.m.AddElements(r.Context(), slow, elements...)
	require.NoError(r, err)
	r.pass(time.Second)
}

// slow is what the kernel's set holds.
func (r *running) slow() []string {
	r.Helper()
	have, err := ruleset.Load("", r.kernel.Kernel.Dump(context.Background()))
	require.NoError(r, err)
	for _, s := range have.Sets() {
		if s.Name == "slow" {
			return s.Elements()
		}
	}
	return nil
}

// another is another process with the same Spec.
func (r *running) another() *offload.Manager {
	r.Helper()
	m, err := offload.Open(r.Context(), &offload.Config{Kernel: r.kernel.Kernel})
	require.NoError(r, err)
	return m
}

func (r *running) live() offload.LiveSetStatus {
	r.Helper()
	list := r.status().LiveSets
	require.Len(r, list, 1)
	s := list[0]
	assert.Equal(r, []string{"inet", "fw", "slow"}, []string{string(s.Family), s.Table, s.Set})
	s.Family, s.Table, s.Set, s.At = "", "", "", time.Time{}
	return s
}

func liveBubble(t *testing.T, cfg offload.RunConfig, test func(t *testing.T, r *running)) {
	for _, target := range []*flowtable.Target{offloadtest.Linux61("eth0"), offloadtest.Linux72("eth0")} {
		inBubble(t, target, cfg, withSlow(), test)
	}
}

// What AddElements put in comes back, in the transaction that makes the set anew; what was deleted again does not.
func TestRunPutsLiveElementsBack(t *testing.T) {
	liveBubble(t, offload.RunConfig{}, func(t *testing.T, r *running) {
		r.add("192.0.2.77", "198.51.100.0/24", "203.0.113.9")
		_, err := r.m.DeleteElements(t.Context(), slow, "203.0.113.9")
		require.NoError(t, err)
		r.pass(time.Second)
		require.Equal(t, offload.LiveSetStatus{Remembered: 2}, r.live())
		other := r.another()
		_, err = other.AddElements(t.Context(), slow, "10.0.0.1", "10.0.0.2")
		require.NoError(t, err)
		r.pass(time.Second)

		changes := r.status().Changes
		r.kernel.ForeignFlush()
		r.pass(time.Second)
		assert.Equal(t, []string{"192.0.2.1", "192.0.2.77", "198.51.100.0/24"}, r.slow())
		s := r.status()
		assert.Equal(t, changes+1, s.Changes, "one transaction")
		assert.Equal(t, offload.LiveSetStatus{Remembered: 2, Anew: 1, PutBack: 2, Lost: 2}, r.live())
		assert.Contains(t, s.String(), "live set inet fw slow: 2 remembered; made anew 1 times, last at ")

		require.True(t, r.kernel.ForeignDelete(ruleset.Inet, "fw"))
		r.pass(time.Second)
		assert.Equal(t, []string{"192.0.2.1", "192.0.2.77", "198.51.100.0/24"}, r.slow())
		assert.Equal(t, offload.LiveSetStatus{Remembered: 2, Anew: 2, PutBack: 2}, r.live())
	})
}

// Others flush and load what they saved: the set is another one, without what was added since.
func TestRunPutsBackIntoSetsThatOthersMade(t *testing.T) {
	liveBubble(t, offload.RunConfig{}, func(t *testing.T, r *running) {
		r.add("192.0.2.77", "10.1.0.1", "10.2.0.0/24")
		r.kernel.ForeignFlush()
		synctest.Wait() // it is repaired at once; what follows on that is gathered first, so that Run sees the next two as one
		r.kernel.ForeignFlush()
		spec := withSlow()
		spec.Tables[0].Sets[0].Elements = []string{"10.1.0.0/16", "10.2.0.0/25"}
		_, err := r.another().Reconcile(t.Context(), spec)
		require.NoError(t, err)
		r.pass(time.Second)
		assert.Equal(t, []string{"10.1.0.0/16", "10.2.0.0/25", "192.0.2.77"}, r.slow(), "what overlaps is not put in")
		assert.Equal(t, offload.LiveSetStatus{Remembered: 3, Missing: 1, Anew: 2, PutBack: 2, Lost: 1}, r.live())
		assert.Equal(t, offload.PhaseSteady, r.status().Phase)
	})
}

// Elements that others delete from a set that stays were deleted on purpose: they do not come back, not with a later flush either.
func TestRunLeavesWhatOthersDelete(t *testing.T) {
	liveBubble(t, offload.RunConfig{}, func(t *testing.T, r *running) {
		r.add("192.0.2.77", "192.0.2.78")
		_, err := r.another().DeleteElements(t.Context(), slow, "192.0.2.77", "192.0.2.1")
		require.NoError(t, err)
		r.pass(time.Second)
		assert.Equal(t, []string{"192.0.2.78"}, r.slow())
		assert.Equal(t, offload.LiveSetStatus{Remembered: 1, Removed: 1}, r.live())
		r.kernel.ForeignFlush()
		r.pass(time.Second)
		assert.Equal(t, []string{"192.0.2.1", "192.0.2.78"}, r.slow())
	})
}

// A Spec that drops the set, or whose set is not live, ends the memory; one that makes it of another kind takes what it can take.
func TestUpdateOfLiveSets(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*ruleset.Set)
		want   []string
	}{
		"dropped":           {nil, []string{"192.0.2.1"}},
		"not live":          {func(s *ruleset.Set) { s.Live = false }, []string{"192.0.2.1"}},
		"of another type":   {func(s *ruleset.Set) { s.Type, s.Elements = ruleset.InetService, nil }, []string{"192.0.2.1", "192.0.2.7"}},
		"without intervals": {func(s *ruleset.Set) { s.Interval = false }, []string{"192.0.2.1", "192.0.2.7"}},
		"overlapping":       {func(s *ruleset.Set) { s.Elements = []string{"192.0.2.0/28"} }, []string{"192.0.2.1", "192.0.2.7", "198.51.100.0/24"}},
	} {
		t.Run(name, func(t *testing.T) {
			liveBubble(t, offload.RunConfig{}, func(t *testing.T, r *running) {
				r.add("192.0.2.7", "198.51.100.0/24")
				spec := withSlow()
				if c.change == nil {
					spec.Tables[0].Sets = nil
				} else {
					c.change(&spec.Tables[0].Sets[0])
				}
				require.NoError(t, r.m.Update(spec))
				r.pass(time.Second)
				if name == "of another type" {
					assert.Empty(t, r.slow())
				}
				require.NoError(t, r.m.Update(withSlow()))
				r.pass(time.Second)
				got := r.slow()
				if name == "of another type" || name == "without intervals" { // the memory stays, with all that the set takes now
					assert.Subset(t, got, c.want)
					return
				}
				assert.Equal(t, c.want, got)
			})
		})
	}
}

// Who only reports or observes writes nothing, and says what is missing; a new Spec puts it back.
func TestReportOnlyPutsNothingBack(t *testing.T) {
	liveBubble(t, offload.RunConfig{ReportOnly: true}, func(t *testing.T, r *running) {
		r.add("192.0.2.77")
		r.kernel.ForeignFlush()
		r.pass(time.Second)
		assert.Nil(t, r.slow())
		assert.Equal(t, offload.PhaseDrifted, r.status().Phase)
		assert.Equal(t, offload.LiveSetStatus{Remembered: 1, Missing: 1}, r.live())
		_, err := r.another().Reconcile(t.Context(), withSlow())
		require.NoError(t, err)
		r.pass(time.Second)
		assert.Equal(t, []string{"192.0.2.1"}, r.slow())
		assert.Equal(t, offload.LiveSetStatus{Remembered: 1, Missing: 1}, r.live())
		require.NoError(t, r.m.Update(withSlow()))
		r.pass(time.Second)
		assert.Equal(t, []string{"192.0.2.1", "192.0.2.77"}, r.slow())
		assert.Equal(t, offload.LiveSetStatus{Remembered: 1, Anew: 1, PutBack: 1}, r.live())
	})
}

func TestLiveSetsWhileOff(t *testing.T) {
	liveBubble(t, offload.RunConfig{}, func(t *testing.T, r *running) {
		r.add("192.0.2.77")
		require.NoError(t, r.m.Off(t.Context(), ""))
		r.pass(time.Second)
		require.True(t, r.kernel.ForeignDelete(ruleset.Inet, "fw"))
		r.pass(time.Second)
		assert.Equal(t, []string{"192.0.2.1", "192.0.2.77"}, r.slow())
		require.NoError(t, r.m.On(t.Context(), ""))
		r.pass(time.Second)
		assert.Equal(t, []string{"192.0.2.1", "192.0.2.77"}, r.slow())
		assert.Equal(t, []string{"eth0"}, r.held())
	})
}

// Memory is bounded, and the Status tells what is not in it.
func TestLiveSetMemoryIsBounded(t *testing.T) {
	oncehost.Skip(t)
	synctest.Test(t, func(t *testing.T) {
		kernel := &watched{Kernel: offloadtest.New(t, offloadtest.Linux72("eth0"))}
		m, err := offload.Open(t.Context(), &offload.Config{Kernel: kernel}) // whose log nobody wants to read
		require.NoError(t, err)
		defer m.Close()
		r := &running{T: t, kernel: kernel, m: m}
		r.start(withSlow())
		defer r.stop(context.Canceled)
		words := make([]string, 1<<16)
		for i := range words {
			words[i] = fmt.Sprintf("10.%d.%d.%d", i>>15, i>>7&0xff, i<<1&0xff)
		}
		r.add(words...)
		r.add("192.0.2.77")
		assert.Equal(t, offload.LiveSetStatus{Remembered: 1 << 16, Unremembered: 1}, r.live())
		r.kernel.ForeignFlush()
		r.pass(time.Second)
		held := r.slow()
		assert.Len(t, held, 1<<16+1)
		assert.False(t, slices.Contains(held, "192.0.2.77"))
		assert.Equal(t, offload.LiveSetStatus{Remembered: 1 << 16, Unremembered: 1, Anew: 1, PutBack: 1 << 16, Lost: 1}, r.live())
	})
}

// Others flush while elements are being put back, and while some are added: nothing is left out in the end.
func TestLiveSetsAmongFlushes(t *testing.T) {
	liveBubble(t, offload.RunConfig{}, func(t *testing.T, r *running) {
		var want []string
		for i := range 20 {
			word := fmt.Sprintf("10.0.0.%d", i+1)
			go func() {
				time.Sleep(time.Duration(i%3) * 20 * time.Millisecond)
				r.kernel.ForeignFlush()
			}()
			for { // until the set is there
				if _, err := r.m.AddElements(t.Context(), slow, word); err == nil {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			want = append(want, word)
			synctest.Wait()
			r.pass(2 * time.Second)
		}
		r.pass(time.Minute)
		assert.Subset(t, r.slow(), want)
		assert.Equal(t, offload.PhaseSteady, r.status().Phase)
	})
}
