package offload_test

import (
	"context"
	"errors"
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

// announced declares two flowtables that announce with bits 1 and 2 of the ct mark.
func announced() *ruleset.Spec {
	spec := elephants(flowtable.HardwareOff)
	t := &spec.Tables[0]
	t.Flowtables = append(t.Flowtables, flowtable.Spec{Name: "other"})
	t.Chains = nil
	t.Offload = []ruleset.Policy{{Flowtable: "fast", Announce: "1"}, {Flowtable: "other", Announce: "2"}}
	return spec
}

// flowtablesByPort reads which flowtable a Watcher tells of each connection.
func flowtablesByPort(t *testing.T, w *conntrack.Watcher) map[uint16]string {
	t.Helper()
	found := map[uint16]string{}
	for e, err := range w.Entries(t.Context(), conntrack.Match{}) {
		require.NoError(t, err)
		found[e.Orig.Dst.Port()] = e.Flowtable
	}
	return found
}

func markedFlow(k *offloadtest.Kernel, port uint16, mark uint32, status conntrack.Status) {
	e := flow(k, port, status)
	e.Mark = mark
	k.SetFlow(e)
}

// Watch knows what the rules in force announce, and Report tells it by flowtable; what cannot be known is unknown.
func TestWatchKnowsWhatIsAnnounced(t *testing.T) {
	m, kernel := onFake(t, offloadtest.Linux612("eth0"), nil)
	applySpec(t, m, announced())
	markedFlow(kernel, 1, 0x71, conntrack.Offload)
	markedFlow(kernel, 2, 2, conntrack.Offload|conntrack.HWOffload)
	markedFlow(kernel, 3, 3, conntrack.Offload) // nobody knows which was set last
	markedFlow(kernel, 4, 1, 0)                 // it was offloaded, and is no more
	markedFlow(kernel, 5, 4, conntrack.Offload)
	w, err := m.Watch(t.Context(), nil)
	require.NoError(t, err)
	defer w.Close()
	assert.Equal(t, map[uint16]string{1: "fast", 2: "other", 3: "", 4: "", 5: ""}, flowtablesByPort(t, w))

	r, err := m.Report(t.Context(), w)
	require.NoError(t, err)
	assert.Equal(t, `PATH      FLOWTABLE  PROTOCOL  FAMILY  FLOWS  COUNTED  PACKETS  BYTES
slow      -          tcp       ipv4    1      0        0        0
software  -          tcp       ipv4    2      0        0        0
software  fast       tcp       ipv4    1      0        0        0
hardware  other      tcp       ipv4    1      0        0        0
total                                  5      0        0        0
`, r.String())
	require.Len(t, r.Rows, 4)
	assert.Equal(t, "fast", r.Rows[2].Flowtable)

	changed := announced()
	changed.Tables[0].Offload[0].Announce = "4"
	applySpec(t, m, changed)
	again, err := m.Watch(t.Context(), nil)
	require.NoError(t, err)
	defer again.Close()
	assert.Equal(t, map[uint16]string{1: "", 2: "other", 3: "other", 4: "", 5: "fast"}, flowtablesByPort(t, again), "from what the Manager remembers of its plan")

	assert.Equal(t, flowtablesByPort(t, again), flowtablesByPort(t, w), "which was opened before")

	applySpec(t, m, &ruleset.Spec{})
	assert.Empty(t, flowtablesByPort(t, w)[1])
	later, err := m.Watch(t.Context(), &conntrack.Config{NetNS: "the Manager's is taken"})
	require.NoError(t, err)
	defer later.Close()
	assert.Empty(t, flowtablesByPort(t, later)[1])
}

// A program opens its Manager, watches, and runs: what Run applies and what Update changes is named from then on, in the stream as well.
func TestWatchFollowsTheRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, &watched{Kernel: offloadtest.New(t, offloadtest.Linux612("eth0"))}, offload.RunConfig{})
		w, err := r.m.Watch(t.Context(), nil)
		require.NoError(t, err)
		defer w.Close()
		named := map[uint16]string{}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			for c, err := range w.Changes(ctx, conntrack.Match{}) {
				if err != nil {
					return
				}
				if c.Kind != conntrack.Synced {
					named[c.Entry.Orig.Dst.Port()] = c.Entry.Flowtable
				}
			}
		}()
		announce := func(port uint16) { // as a rule does: the step and the mark come together
			e := flow(r.kernel.Kernel, port, 0)
			synctest.Wait()
			e.Mark, e.Status = 1, e.Status|conntrack.Offload
			r.kernel.SetFlow(e)
		}
		announce(1)
		r.pass(10 * time.Second)
		r.start(announced())
		r.pass(time.Second)
		announce(2)
		r.pass(10 * time.Second)
		assert.Equal(t, map[uint16]string{1: "", 2: "fast"}, named)
		assert.Equal(t, map[uint16]string{1: "fast", 2: "fast"}, flowtablesByPort(t, w))

		changed := announced()
		changed.Tables[0].Offload[0].Announce, changed.Tables[0].Offload[1].Announce = "2", "1"
		require.NoError(t, r.m.Update(changed))
		dumps := r.kernel.dumps.Load()
		r.pass(time.Second)
		announce(3)
		r.pass(10 * time.Second)
		assert.Equal(t, "other", named[3], "not misnamed")
		for range 100 {
			flowtablesByPort(t, w)
		}
		r.pass(time.Minute)
		assert.LessOrEqual(t, r.kernel.dumps.Load(), dumps+1, "rules that stay are not read again")
		cancel()
		<-done
		r.stop(context.Canceled)
	})
}

// What the caller says of announcements is taken, nothing among it.
func TestWatchTakesWhatTheCallerAnnounces(t *testing.T) {
	m, kernel := onFake(t, offloadtest.Linux612("eth0"), nil)
	applySpec(t, m, announced())
	markedFlow(kernel, 1, 1, conntrack.Offload)
	for want, names := range map[string]map[uint32]string{"": {}, "mine": {1: "mine"}, "fast": nil} {
		w, err := m.Watch(t.Context(), &conntrack.Config{Announced: names})
		require.NoError(t, err)
		assert.Equal(t, want, flowtablesByPort(t, w)[1])
		require.NoError(t, w.Close())
	}
	_, err := m.Watch(t.Context(), &conntrack.Config{Announced: map[uint32]string{3: "two bits"}})
	require.ErrorContains(t, err, "one bit")
}

// closable counts how often a Source is closed.
type closable struct {
	conntrack.Source
	closed int
}

func (c *closable) Close() error { c.closed++; return nil }

func TestWatchLeavesTheManagersSourceOpen(t *testing.T) {
	kernel := offloadtest.New(t, nil)
	source := &closable{Source: kernel.Conntrack()}
	m, err := offload.Open(t.Context(), &offload.Config{Kernel: kernel, Conntrack: source})
	require.NoError(t, err)
	flow(kernel, 1, 0)
	w, err := m.Watch(t.Context(), nil)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	assert.Zero(t, source.closed)
	require.NoError(t, m.Close())
	assert.Equal(t, 1, source.closed)

	bare, err := offload.Open(t.Context(), &offload.Config{Kernel: struct{ offload.Kernel }{kernel}})
	require.NoError(t, err)
	_, err = bare.Watch(t.Context(), nil)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	_, err = bare.Evict(t.Context(), offload.Eviction{})
	require.ErrorIs(t, err, errors.ErrUnsupported)
}
