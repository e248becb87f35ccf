package offloadtest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

// The controller's test again, on this machine's kernel: what the ruleset accelerates takes the fast path.
func TestRouter(t *testing.T) {
	router := offloadtest.NewRouter(t)
	m, err := offload.Open(t.Context(), &offload.Config{NetNS: router.NetNS()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	spec := routerSpec(flowtable.HardwareOff)
	spec.Tables[0].Flowtables[0].Devices = []flowtable.Selector{{Name: offloadtest.RouterLAN}, {Name: offloadtest.RouterWAN}}
	plan, err := m.Plan(t.Context(), spec)
	require.NoError(t, err)
	_, err = m.Apply(t.Context(), plan)
	require.NoError(t, err)

	w, err := conntrack.Open(t.Context(), &conntrack.Config{NetNS: router.NetNS()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	for _, network := range []string{"tcp4", "udp6"} {
		flow := router.Talk(network)
		router.Reaches(flow, conntrack.Software, time.Minute)
		found := false
		for e, err := range w.Entries(t.Context(), conntrack.Match{}) {
			require.NoError(t, err)
			found = found || e.Orig == flow && e.Path() == conntrack.Software
		}
		assert.True(t, found, "conntrack knows %v as Talk calls it", flow)
	}

	_, err = m.Apply(t.Context(), plan)
	require.ErrorIs(t, err, offload.ErrConflict)
	plan, err = m.Plan(t.Context(), &ruleset.Spec{})
	require.NoError(t, err)
	_, err = m.Apply(t.Context(), plan)
	require.NoError(t, err)
	router.Reaches(router.Talk("tcp"), conntrack.Slow, time.Minute)
}

// ended is what a test that is skipped or failed does not come back from.
type ended struct{ how string }

// A judge is a RouterTB that says how the test ended.
type judge struct{ after []func() }

func (j *judge) Helper()               {}
func (j *judge) Logf(string, ...any)   {}
func (j *judge) Cleanup(f func())      { j.after = append(j.after, f) }
func (j *judge) Errorf(string, ...any) {}
func (j *judge) Fatalf(format string, args ...any) {
	panic(ended{"failed: " + fmt.Sprintf(format, args...)})
}
func (j *judge) Skipf(format string, args ...any) {
	panic(ended{"skipped: " + fmt.Sprintf(format, args...)})
}

// judged is how a test ends that does this; "" if it goes on.
func judged(do func(tb offloadtest.RouterTB)) (how string) {
	j := &judge{}
	defer func() {
		for i := range j.after {
			j.after[len(j.after)-1-i]()
		}
		if e, ok := recover().(ended); ok {
			how = e.how
		}
	}()
	do(j)
	return ""
}

func TestRouterSaysWhatIsWrong(t *testing.T) {
	if how := judged(func(tb offloadtest.RouterTB) { offloadtest.NewRouter(tb) }); how != "" {
		require.True(t, strings.HasPrefix(how, "skipped: "), how)
		require.Greater(t, len(how), len("skipped: "), "a skip gives its reason")
		t.Skip(how)
	}
	assert.Contains(t, judged(func(tb offloadtest.RouterTB) { offloadtest.NewRouter(tb).Talk("sctp4") }), "unknown network sctp4")
	assert.Contains(t, judged(func(tb offloadtest.RouterTB) {
		offloadtest.NewRouter(tb).Reaches(conntrack.Tuple{}, conntrack.Slow, time.Second)
	}), "Talk makes one")
	how := judged(func(tb offloadtest.RouterTB) {
		r := offloadtest.NewRouter(tb)
		r.Reaches(r.Talk("udp4"), conntrack.Software, time.Second)
	})
	assert.Contains(t, how, "is not proven on the path")
	assert.Contains(t, how, "table inet testns_probe", "the ruleset is part of the evidence")
}

// A test of your own: the ruleset under test is applied to the router, and a connection must take the fast path. The test is skipped
// where the kernel has no flowtables.
func ExampleNewRouter() {
	test := func(t *testing.T) {
		router := offloadtest.NewRouter(t)
		m, err := offload.Open(t.Context(), &offload.Config{NetNS: router.NetNS()})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		plan, err := m.Plan(t.Context(), routerSpec(flowtable.HardwareOff)) // over lan0 and wan0
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Apply(t.Context(), plan); err != nil {
			t.Fatal(err)
		}
		router.Reaches(router.Talk("tcp4"), conntrack.Software, time.Minute)
	}
	_ = testing.InternalTest{Name: "TestFastPath", F: test}
}
