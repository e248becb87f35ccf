package offloadtest

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// A scene is a machine on which what a Kernel can do beside what it has to is held against the
// contract: an imitated one or a real one. At first it has the devices d0 and d1, which are up, and
// whose drivers take no flowtables.
type scene interface {
	kernel() offload.Kernel
	flowtables() bool
	lacksHooks() bool // its kernel has no hook dump
	link(t *testing.T, name string)
	bridge(t *testing.T, name, port string)
	route(t *testing.T, r Route)
	neighbour(t *testing.T, device string, addr netip.Addr, address string)
	station(t *testing.T, bridge, address, port string)
	commit(t *testing.T) // another program's
}

// calls are the rows of the contract, by the interface of package offload that they are about.
var calls = map[string]func(t *testing.T, s scene){
	"Tunable": func(t *testing.T, s scene) {
		k := s.kernel().(offload.Tunable)
		value, err := k.Sysctl(t.Context(), "net.netfilter.nf_conntrack_tcp_loose")
		require.NoError(t, err)
		assert.Equal(t, "1", value)
		_, err = k.Sysctl(t.Context(), "net.ipv4.fastpath_none")
		assert.ErrorIs(t, err, fs.ErrNotExist)
		_, err = k.Sysctl(ended(t), "net.ipv4.ip_forward")
		assert.ErrorIs(t, err, context.Canceled)
	},
	"Writable": func(t *testing.T, s scene) {
		k := s.kernel().(interface {
			offload.Tunable
			offload.Writable
		})
		holds := func(want string) {
			t.Helper()
			value, err := k.Sysctl(t.Context(), "net.ipv4.ip_forward")
			require.NoError(t, err)
			assert.Equal(t, want, value)
		}
		for _, value := range []string{"1", "0", "1"} {
			require.NoError(t, k.WriteSysctl(t.Context(), "net.ipv4.ip_forward", value))
			holds(value)
		}
		assert.Error(t, k.WriteSysctl(t.Context(), "net.ipv4.ip_forward", "yes"))
		assert.ErrorIs(t, k.WriteSysctl(ended(t), "net.ipv4.ip_forward", "0"), context.Canceled)
		holds("1")
		assert.Error(t, k.WriteSysctl(t.Context(), "net.ipv4.ip_default_ttl", "65"), "none of the settings")
	},
	"Eventful":       callEvents,
	"Eventful, ends": callEventsEnd,
	"Lockable":       callLock,
	"Prober": func(t *testing.T, s scene) {
		answers, err := s.kernel().(offload.Prober).Probe(t.Context(), []string{"d1", "none0", "d0"}, false)
		require.NoError(t, err)
		refused := flowtable.FixedOff
		if !s.flowtables() {
			refused = flowtable.NoModule
		}
		for i := range answers {
			assert.NotEmpty(t, answers[i].Evidence)
			answers[i].Evidence = ""
		}
		assert.Equal(t, []flowtable.Answer{
			{Device: "d1", Result: refused}, {Device: "none0", Result: flowtable.NoDevice}, {Device: "d0", Result: refused},
		}, answers)
	},
	"Mannered": func(t *testing.T, s scene) {
		found, err := s.kernel().(offload.Mannered).Manners(t.Context())
		require.NoError(t, err)
		target, err := s.kernel().Target(t.Context())
		require.NoError(t, err)
		assert.Equal(t, target.Kernel, found.Kernel)
		assert.True(t, found.Flowtables.Known)
		assert.Equal(t, s.flowtables(), found.Flowtables.Yes)
		assert.Equal(t, s.flowtables(), found.ByName.Known, "with no flowtables they are judged by the release")
		assert.Equal(t, s.flowtables(), found.Wildcards.Known)
		assert.Equal(t, found.Kernel.ByName, found.ByName.Yes)
		assert.Equal(t, found.Kernel.Wildcards, found.Wildcards.Yes)
		for _, f := range []offload.Finding{found.Flowtables, found.ByName, found.Wildcards} {
			assert.NotEmpty(t, f.Evidence)
		}
	},
	"Modular": func(t *testing.T, s scene) {
		k := s.kernel().(offload.Modular)
		none := k.Module("fastpath_none")
		assert.Contains(t, []offload.ModuleState{offload.ModuleMissing, offload.ModuleUnknown}, none.State)
		assert.NotEmpty(t, none.Evidence)
		there := k.Module("nf_conntrack") // Tunable reads a setting of it
		assert.Contains(t, []offload.ModuleState{offload.ModuleLoaded, offload.ModuleBuiltIn}, there.State)
		assert.NotEmpty(t, there.Evidence)
	},
	"Placed or Tracked": func(t *testing.T, s scene) {
		var cfg conntrack.Config
		if cfg.NetNS = s.kernel().(offload.Placed).NetNS(); cfg.NetNS == "" {
			cfg.Source = s.kernel().(offload.Tracked).Conntrack()
		}
		w, err := conntrack.Open(t.Context(), &cfg)
		require.NoError(t, err)
		for e, err := range w.Entries(t.Context(), conntrack.Match{}) {
			t.Errorf("nobody talks there: %v %v", e, err)
		}
		require.NoError(t, w.Close())
	},
	"Routed":              callDevices,
	"Surveyor":            callSurvey,
	"Selective":           callSelective,
	"Selective, its part": callDumpOf,
	"Thrifty": func(t *testing.T, s scene) {
		s.route(t, Route{To: netip.MustParsePrefix("0.0.0.0/0"), Device: "d0"})
		whole, err := s.kernel().Target(t.Context())
		require.NoError(t, err)
		require.Len(t, whole.DefaultRoutes, 1)
		k := s.kernel().(offload.Thrifty)
		again, err := k.TargetOf(t.Context(), true, true)
		require.NoError(t, err)
		assert.Equal(t, whole, again)
		less, err := k.TargetOf(t.Context(), false, false)
		require.NoError(t, err)
		assert.Empty(t, less.DefaultRoutes)
		for i := range whole.Links {
			assert.Empty(t, less.Links[i].TCOffload)
			whole.Links[i].TCOffload = ""
		}
		assert.Equal(t, whole.Links, less.Links)
		assert.Equal(t, whole.Kernel, less.Kernel)
	},
	"Hooked": callHooks,
	"Tabled": func(t *testing.T, s scene) {
		spec := &ruleset.Spec{Tables: []ruleset.Table{{Name: "a"}, {Name: "b", Family: ruleset.IP}}}
		if s.flowtables() {
			spec.Tables[0].Flowtables = []flowtable.Spec{{Name: "f", Devices: []flowtable.Selector{{Name: "d0"}}}}
		}
		resolved, err := spec.Resolve(nil)
		require.NoError(t, err)
		plan, err := ruleset.Diff(nil, resolved)
		require.NoError(t, err)
		batch, err := plan.Batch(nil)
		require.NoError(t, err)
		_, err = s.kernel().Commit(t.Context(), batch)
		require.NoError(t, err)
		whole, err := ruleset.Load("", s.kernel().Dump(t.Context()))
		require.NoError(t, err)
		require.Len(t, whole.Tables(), 2)
		require.Len(t, whole.Flowtables(), len(spec.Tables[0].Flowtables))
		k := s.kernel().(offload.Tabled)
		tables, err := ruleset.Load("", k.Tables(t.Context()))
		require.NoError(t, err)
		assert.Equal(t, whole.Tables(), tables.Tables())
		assert.Equal(t, whole.Flowtables(), tables.Flowtables())
		assert.Equal(t, whole.Generation(), tables.Generation())
		assert.False(t, tables.Torn())
		_, err = ruleset.Load("", k.Tables(ended(t)))
		assert.ErrorIs(t, err, context.Canceled)
	},
}

func ended(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// callEvents demands that what is changed while a subscription stands is announced, by kind, device
// and generation.
func callEvents(t *testing.T, s scene) {
	next, stop := iter.Pull2(s.kernel().(offload.Eventful).Events(soon(t), offload.EventConfig{Routes: true}))
	defer stop()
	await := func(kind offload.EventKind, suits func(offload.Event) bool) {
		t.Helper()
		for {
			e, err, ok := next()
			require.NoError(t, err, "while waiting for %v", kind)
			require.True(t, ok)
			if e.Kind == kind && suits(e) {
				return
			}
		}
	}
	first, err, _ := next()
	require.NoError(t, err)
	assert.Equal(t, offload.EventLost, first.Kind, "the subscription stands")
	s.link(t, "d2")
	await(offload.EventLinks, func(e offload.Event) bool { return e.Device == "d2" && e.What != "" })
	s.route(t, Route{To: netip.MustParsePrefix("203.0.113.0/24"), Device: "d0"})
	await(offload.EventRoutes, func(e offload.Event) bool { return e.What != "" })
	s.commit(t)
	generation, err := s.kernel().GenerationID(t.Context())
	require.NoError(t, err)
	await(offload.EventRuleset, func(e offload.Event) bool { return e.Generation == generation })
}

// callEventsEnd demands that the stream ends with its context, and says nothing of routes that
// nobody asked for.
func callEventsEnd(t *testing.T, s scene) {
	ctx, cancel := context.WithCancel(soon(t))
	defer cancel()
	var last error
	for e, err := range s.kernel().(offload.Eventful).Events(ctx, offload.EventConfig{}) {
		assert.NotEqual(t, offload.EventRoutes, e.Kind)
		last = err
		switch e.Kind {
		case offload.EventLost:
			s.route(t, Route{To: netip.MustParsePrefix("203.0.113.0/24"), Device: "d0"})
			s.commit(t)
		case offload.EventRuleset:
			cancel()
		}
	}
	assert.ErrorIs(t, last, context.Canceled)
}

func callLock(t *testing.T, s scene) {
	k, ctx := s.kernel().(offload.Lockable), soon(t)
	before, err := s.kernel().GenerationID(ctx)
	require.NoError(t, err)
	lost, release, from, err := k.LockFrom(ctx, "a", false)
	require.NoError(t, err)
	assert.Equal(t, before, from)
	after, err := s.kernel().GenerationID(ctx)
	require.NoError(t, err)
	assert.Equal(t, from+1, after)
	_, _, _, err = k.LockFrom(ctx, "a", false)
	require.ErrorIs(t, err, offload.ErrRunning)
	_, other, _, err := k.LockFrom(ctx, "b", false)
	require.NoError(t, err, "of another owner")
	require.NoError(t, other())
	left := make(chan error, 1)
	go func() {
		<-lost
		left <- release()
	}()
	_, again, _, err := k.LockFrom(ctx, "a", true)
	require.NoError(t, err)
	require.NoError(t, <-left)
	require.NoError(t, again())
	_, last, _, err := k.LockFrom(ctx, "a", false)
	require.NoError(t, err, "it was given back")
	require.NoError(t, last())
}

// chosen is a table of an owner: a chain with a rule, and a live set with an element.
func chosen(owner string, port uint16) *ruleset.Spec {
	return &ruleset.Spec{Owner: owner, Tables: []ruleset.Table{{
		Name: owner, Sets: []ruleset.Set{{Name: "s", Type: ruleset.InetService, Live: true, Elements: []string{"1"}}},
		Chains: []ruleset.Chain{{Name: "c", Rules: []ruleset.Rule{ruleset.R(ruleset.TCPDport.Is(port), ruleset.Accept())}}},
	}}}
}

// callSelective demands that what commits change is told by table, since any generation that was
// asked about before.
func callSelective(t *testing.T, s scene) {
	k := s.kernel().(offload.Selective)
	c, err := k.ChangedSince(t.Context(), 0)
	require.NoError(t, err)
	assert.False(t, c.Known, "of what was before the first question")
	m := managerOn(t, s)
	first := c.Generation
	for _, step := range []struct {
		what   string
		commit func() error
		want   []offload.TableChange
	}{
		{"a table", func() error { return reconcile(t, m, chosen("a", 22)) },
			[]offload.TableChange{{Family: ruleset.Inet, Name: "a", Shape: true, Rules: true, Elements: true, Sets: []string{"s"}}}},
		{"a rule", func() error { return reconcile(t, m, chosen("a", 23)) },
			[]offload.TableChange{{Family: ruleset.Inet, Name: "a", Rules: true}}},
		{"an element", func() error {
			_, err := m.AddElements(t.Context(), offload.LiveSet{Owner: "a", Table: "a", Set: "s"}, "2")
			return err
		}, []offload.TableChange{{Family: ruleset.Inet, Name: "a", Elements: true, Sets: []string{"s"}}}},
		{"somebody", func() error { s.commit(t); return nil },
			[]offload.TableChange{{Family: ruleset.Inet, Name: "somebody", Shape: true}}},
		{"nothing", func() error { return nil }, nil},
	} {
		before := c.Generation
		require.NoError(t, step.commit(), step.what)
		c, err = k.ChangedSince(t.Context(), before)
		require.NoError(t, err)
		assert.True(t, c.Known, step.what)
		assert.Equal(t, step.want, c.Tables, step.what)
		now, err := s.kernel().GenerationID(t.Context())
		require.NoError(t, err)
		assert.Equal(t, now, c.Generation)
	}
	c, err = k.ChangedSince(t.Context(), first)
	require.NoError(t, err)
	assert.True(t, c.Known)
	assert.Len(t, c.Tables, 2, "all of them together")
	_, err = k.ChangedSince(ended(t), first)
	assert.ErrorIs(t, err, context.Canceled)
}

// callDumpOf demands the outline of all tables, and what is in those that are wanted.
func callDumpOf(t *testing.T, s scene) {
	k, m := s.kernel().(offload.Selective), managerOn(t, s)
	require.NoError(t, reconcile(t, m, chosen("a", 22)))
	require.NoError(t, reconcile(t, m, chosen("b", 22)))
	whole, err := ruleset.Load("a", s.kernel().Dump(t.Context()))
	require.NoError(t, err)
	for _, wanted := range []string{"a", "b", "none"} {
		part, err := ruleset.Load("a", k.DumpOf(t.Context(), func(t ruleset.LoadedTable) bool { return t.Owner == wanted }))
		require.NoError(t, err)
		assert.False(t, part.Torn())
		assert.Equal(t, whole.Generation(), part.Generation())
		assert.Equal(t, whole.Tables(), part.Tables())
		var rules, sets []string
		for _, r := range part.Rules() {
			rules = append(rules, r.Table)
		}
		for _, set := range part.Sets() {
			sets = append(sets, set.Table+" "+strings.Join(set.Elements(), " "))
		}
		if wanted == "none" {
			assert.Empty(t, rules)
			assert.Empty(t, sets)
			continue
		}
		assert.Equal(t, []string{wanted}, rules)
		assert.Equal(t, []string{wanted + " 1"}, sets)
	}
	for _, err := range k.DumpOf(ended(t), func(ruleset.LoadedTable) bool { return true }) {
		assert.ErrorIs(t, err, context.Canceled)
	}
}

// lent is a Kernel that outlives its Manager.
type lent struct{ offload.Kernel }

func (lent) Close() error { return nil }

func managerOn(t *testing.T, s scene) *offload.Manager {
	m, err := offload.Open(t.Context(), &offload.Config{Kernel: lent{s.kernel()}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

func reconcile(t *testing.T, m *offload.Manager, spec *ruleset.Spec) error {
	_, err := m.Reconcile(t.Context(), spec)
	return err
}

var (
	nearby  = netip.MustParseAddr("192.0.2.2")
	gateway = netip.MustParseAddr("192.0.2.3")
	own     = netip.MustParseAddr("192.0.2.1")
	distant = netip.MustParseAddr("198.51.100.2")
	beyond  = netip.MustParseAddr("203.0.113.2")
)

// connected gives d0 the address 192.0.2.1/24, and a route behind a neighbour.
func connected(t *testing.T, s scene) {
	s.route(t, Route{To: netip.PrefixFrom(own, 32)})
	s.route(t, Route{To: netip.MustParsePrefix("192.0.2.0/24"), Device: "d0"})
	s.route(t, Route{To: netip.MustParsePrefix("198.51.100.0/24"), Device: "d0", Via: gateway})
}

func callDevices(t *testing.T, s scene) {
	connected(t, s)
	k, ask := s.kernel().(offload.Routed), []netip.Addr{nearby, distant, own, beyond}
	found, err := k.Devices(t.Context(), ask)
	require.NoError(t, err)
	assert.Equal(t, map[netip.Addr]string{nearby: "d0", distant: "d0", own: ""}, found)
	s.route(t, Route{To: netip.PrefixFrom(distant, 32), Device: "d1"})
	found, err = k.Devices(t.Context(), ask)
	require.NoError(t, err)
	assert.Equal(t, map[netip.Addr]string{nearby: "d0", distant: "d1", own: ""}, found, "the more specific one")
}

func callSurvey(t *testing.T, s scene) {
	connected(t, s)
	s.link(t, "d2")
	s.bridge(t, "br0", "d2")
	s.neighbour(t, "d0", gateway, "02:00:00:00:00:03")
	s.station(t, "br0", "02:00:00:00:00:04", "d2")
	target, err := s.kernel().Target(t.Context())
	require.NoError(t, err)
	index := map[string]int{}
	for _, l := range target.Links {
		index[l.Name] = l.Index
	}
	k := s.kernel().(offload.Surveyor)
	seen, err := k.Survey(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "02:00:00:00:00:03", seen.Neighbours[offload.Hop{Device: index["d0"], Addr: gateway}])
	assert.Equal(t, index["d2"], seen.Ports[offload.Station{Bridge: index["br0"], Address: "02:00:00:00:00:04"}])
	far := seen.Routes[netip.MustParsePrefix("198.51.100.0/24")]
	assert.Equal(t, []int{index["d0"]}, far.Devices)
	assert.NotContains(t, seen.Routes, netip.PrefixFrom(own, 32), "the machine's own")

	hops, err := k.NextHops(t.Context(), []netip.Addr{nearby, distant, beyond})
	require.NoError(t, err)
	assert.Equal(t, map[netip.Addr]offload.Hop{
		nearby: {Device: index["d0"], Addr: nearby}, distant: {Device: index["d0"], Addr: gateway},
	}, hops)

	s.route(t, Route{To: netip.MustParsePrefix("198.51.100.0/24"), Device: "d1"})
	s.neighbour(t, "d0", gateway, "02:00:00:00:00:05")
	seen, err = k.Survey(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "02:00:00:00:00:05", seen.Neighbours[offload.Hop{Device: index["d0"], Addr: gateway}])
	assert.NotEqual(t, far.Text, seen.Routes[netip.MustParsePrefix("198.51.100.0/24")].Text)
}

// callHooks: two flowtables of one device, told in the order of their priorities, with family and
// priority at least; nothing of a device that no flowtable lists, or that is not there.
func callHooks(t *testing.T, s scene) {
	k := s.kernel().(offload.Hooked)
	if s.lacksHooks() {
		_, err := k.Hooks(t.Context(), []string{"d0"})
		require.ErrorIs(t, err, errors.ErrUnsupported)
		return
	}
	_, err := k.Hooks(ended(t), []string{"d0"})
	require.ErrorIs(t, err, context.Canceled)
	empty := []offload.DeviceHooks{{Device: "d1", There: true}, {Device: "none0"}, {Device: "d0", There: true}}
	list, err := k.Hooks(t.Context(), []string{"d1", "none0", "d0"})
	require.NoError(t, err)
	assert.Equal(t, empty, list)
	if !s.flowtables() {
		return
	}
	spec := &ruleset.Spec{Tables: []ruleset.Table{{Name: "a"}, {Name: "b", Family: ruleset.IP}}}
	spec.Tables[0].Flowtables = []flowtable.Spec{{Name: "f", Priority: "7", Devices: []flowtable.Selector{{Name: "d0"}}}}
	spec.Tables[1].Flowtables = []flowtable.Spec{{Name: "g", Priority: "-5", Devices: []flowtable.Selector{{Name: "d0"}}}}
	resolved, err := spec.Resolve(nil)
	require.NoError(t, err)
	plan, err := ruleset.Diff(nil, resolved)
	require.NoError(t, err)
	batch, err := plan.Batch(nil)
	require.NoError(t, err)
	_, err = s.kernel().Commit(t.Context(), batch)
	require.NoError(t, err)
	want := []offload.Hook{
		{Family: ruleset.IP, Table: "b", Flowtable: "g", Priority: -5}, {Family: ruleset.Inet, Table: "a", Flowtable: "f", Priority: 7},
	}
	target, err := s.kernel().Target(t.Context())
	require.NoError(t, err)
	if !target.Kernel.ByName { // of the kernels that have the hook dump, those with names of devices name flowtables, too
		for i := range want {
			want[i].Table, want[i].Flowtable = "", ""
		}
	}
	empty[2].Hooks = want
	list, err = k.Hooks(t.Context(), []string{"d1", "none0", "d0"})
	require.NoError(t, err)
	assert.Equal(t, empty, list)
}

// onScene is an imitated kernel as a scene.
type onScene struct {
	k      *Kernel
	routes *[]Route
}

func (s onScene) kernel() offload.Kernel { return s.k }
func (s onScene) flowtables() bool       { return true }
func (s onScene) lacksHooks() bool       { return false }
func (s onScene) commit(*testing.T)      { s.k.ForeignCommit() }

func (s onScene) link(_ *testing.T, name string) {
	s.k.AddLink(flowtable.Link{Name: name, Up: true, TCOffload: "off [fixed]"})
}

func (s onScene) bridge(_ *testing.T, name, port string) {
	index := 0
	s.k.AddLink(flowtable.Link{Name: name, Kind: "bridge"})
	s.k.ChangeLink(name, func(l *flowtable.Link) { index = l.Index })
	s.k.ChangeLink(port, func(l *flowtable.Link) { l.Master = index })
}

// route puts a route in the place of one to the same prefix, as the command `ip route replace`
// does.
func (s onScene) route(_ *testing.T, r Route) {
	var list []Route
	for _, other := range *s.routes {
		if other.To != r.To {
			list = append(list, other)
		}
	}
	*s.routes = append(list, r)
	s.k.SetRoutes(*s.routes...)
}

func (s onScene) neighbour(_ *testing.T, device string, addr netip.Addr, address string) {
	s.k.SetNeighbour(device, addr, address)
}

func (s onScene) station(_ *testing.T, bridge, address, port string) {
	s.k.SetStation(bridge, 0, address, port)
}

// TestCalls holds the imitated kernels against the contract.
func TestCalls(t *testing.T) {
	for m, name := range modelNames {
		for call, holds := range calls {
			t.Run(name+"/"+call, func(t *testing.T) {
				k := New(t, modelTargets[m]())
				s := onScene{k, new([]Route)}
				s.link(t, "d0")
				s.link(t, "d1")
				holds(t, s)
			})
		}
	}
}
