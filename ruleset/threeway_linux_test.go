package ruleset

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset/replay"
)

// threeWayCorpus are Specs of every kind: what people run, goldens, every form of statement, many elements.
func threeWayCorpus() map[string]*Spec {
	corpus := map[string]*Spec{"large": largeSpec()}
	for _, c := range declared() {
		corpus["declared "+c.name] = c.spec
	}
	for name, spec := range goldenSpecs() {
		corpus["golden "+name] = spec
	}
	for name, spec := range policies() {
		corpus["policy "+name] = spec
	}
	for _, family := range []Family{Inet, IP, IP6} {
		corpus["every statement, "+string(family)] = oracleSpec(family)
	}
	return corpus
}

// largeSpec has sets that do not fit one message, and some hundred rules.
func largeSpec() *Spec {
	hosts := Set{Name: "hosts", Type: IPv4Addr}
	nets := Set{Name: "nets", Type: IPv6Addr, Interval: true}
	var rules []Rule
	for i := range 4000 {
		hosts.Elements = append(hosts.Elements, fmt.Sprintf("10.%d.%d.%d", i%3, i/250, i%250))
		nets.Elements = append(nets.Elements, fmt.Sprintf("2001:db8:%x::/48", 2*i))
		if i%10 == 0 {
			rules = append(rules, R(TCPDport.Is(uint16(i)), Counter(), Accept()).Note(fmt.Sprint("rule ", i)))
		}
	}
	return &Spec{Tables: []Table{{Name: "large", Sets: []Set{hosts, nets}, Chains: []Chain{{Name: "c", Hook: Forward, Rules: rules}}}}}
}

// TestThreeWays takes every Spec to the kernel by our batch, by nft with both text forms, and by the bytes of the batch. The
// kernel's state is then the same as nft lists it and as we read it back; only our identities are missing from what nft made.
func TestThreeWays(t *testing.T) {
	testns.RequireNamespaces(t)
	flowtables, reason := testns.HaveFlowtables(testContext(t))
	require.True(t, flowtables || os.Getenv("FASTPATH_VM") == "", reason)
	version := nftVersion(t, testns.NewT(t, "version"))
	for name, spec := range threeWayCorpus() {
		t.Run(name, func(t *testing.T) {
			if !flowtables {
				spec = withoutFlowtables(spec)
			}
			threeWays(t, spec, version)
		})
	}
}

func threeWays(t *testing.T, spec *Spec, version int) {
	r := resolvedHere(t, spec)
	p, err := Diff(nil, r)
	require.NoError(t, err)
	b, err := p.Batch(nil)
	require.NoError(t, err)
	var text strings.Builder
	require.NoError(t, r.WriteNFT(&text))

	ours := namespaceFor(t, spec)
	require.NoError(t, commit(t, ours, b))
	list, loaded := listing(t, ours), loadFor(t, ours, spec)
	requireNothingLeft(t, loaded, r)
	for form, nft := range map[string]string{"WriteNFT": text.String(), "Plan.String": p.String()} {
		ns := namespaceFor(t, spec)
		require.NoError(t, ns.NFT(testContext(t), nft), form)
		assert.Equal(t, sameCodePoints(list), sameCodePoints(listing(t, ns)), form)
		compareReadBack(t, r, loaded, loadFor(t, ns, spec), version)
	}
	saved, err := b.MarshalBinary()
	require.NoError(t, err)
	ns := namespaceFor(t, spec)
	require.NoError(t, ns.Do(func() error { return replay.Send(saved) }))
	assert.Equal(t, list, listing(t, ns), "replayed")
	replayed := loadFor(t, ns, spec)
	requireNothingLeft(t, replayed, r)
	assert.Equal(t, readBack(t, loaded, true), readBack(t, replayed, true))
}

// resolvedHere binds a Spec to this kernel and to a machine that has every device which it names.
func resolvedHere(t *testing.T, spec *Spec) *Resolved {
	t.Helper()
	k, err := testns.Kernel()
	require.NoError(t, err)
	target := &flowtable.Target{Kernel: flowtable.KernelOf(k.Text)}
	for i, name := range deviceNames(spec) {
		target.Links = append(target.Links, flowtable.Link{Index: i + 2, Name: name, Kind: "dummy"})
	}
	r, err := spec.Resolve(target)
	require.NoError(t, err)
	return r
}

// deviceNames are the devices that the flowtables of a Spec name.
func deviceNames(spec *Spec) []string {
	var names []string
	for i := range spec.Tables {
		for _, f := range spec.Tables[i].Flowtables {
			for _, d := range f.Devices {
				if d.Name != "" && d.Name != "lo" {
					names = append(names, d.Name)
				}
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// namespaceFor is a namespace with those devices.
func namespaceFor(t *testing.T, spec *Spec) *testns.Namespace {
	t.Helper()
	if names := deviceNames(spec); names != nil {
		return withDevices(t, names...)
	}
	return testns.NewT(t, "way")
}

// loadFor reads a namespace back with the sets' elements, for the owner of the Spec.
func loadFor(t *testing.T, ns *testns.Namespace, spec *Spec) *Loaded {
	t.Helper()
	l, err := Load(spec.Owner, seqOf(dump(t, ns)))
	require.NoError(t, err)
	require.False(t, l.Torn())
	return l
}

// requireNothingLeft demands that the plan from what the kernel holds is empty.
func requireNothingLeft(t *testing.T, l *Loaded, r *Resolved) {
	t.Helper()
	p, err := Diff(l, r)
	require.NoError(t, err)
	require.Empty(t, p.String())
}

// compareReadBack compares what we read of our own making and of nft's, and demands that no plan would change anything but
// rules that nft encodes in another way.
func compareReadBack(t *testing.T, r *Resolved, ours, theirs *Loaded, version int) {
	t.Helper()
	assert.Equal(t, readBack(t, ours, false), readBack(t, theirs, false))
	otherwise := encodedOtherwise(r, version)
	w, g := ours.Rules(), theirs.Rules()
	require.Equal(t, len(w), len(g))
	for i := range w {
		key := fmt.Sprint(w[i].Family, w[i].Table, w[i].Chain, indexInChain(w, i))
		if !otherwise[key] {
			assert.NotZero(t, w[i].body, key)
			assert.Equal(t, w[i].body, g[i].body, "the body of rule %s", key)
		}
		assert.False(t, g[i].Ours, "nft writes no identity")
	}
	p, err := Diff(theirs, r)
	require.NoError(t, err)
	for _, op := range p.Operations() {
		assert.Equal(t, KindRule, op.Kind, "%s", op)
	}
	assert.LessOrEqual(t, len(p.Operations()), 2*len(otherwise), "%s", p)
}

// indexInChain is the place of rule i in its chain.
func indexInChain(rules []LoadedRule, i int) int {
	n := 0
	for j := i - 1; j >= 0 && rules[j].Chain == rules[i].Chain && rules[j].Table == rules[i].Table && rules[j].Family == rules[i].Family; j-- {
		n++
	}
	return n
}

// readBack is all of a Loaded without handles, as lines; whole keeps what nft does not write: identities and expressions.
func readBack(t *testing.T, l *Loaded, whole bool) []string {
	t.Helper()
	var lines []string
	add := func(kind string, v any, more ...any) {
		b, err := json.Marshal(v)
		require.NoError(t, err)
		lines = append(lines, kind+" "+string(b)+fmt.Sprint(more...))
	}
	for _, x := range l.Tables() {
		x.Handle = 0
		add("table", x)
	}
	for _, x := range l.Chains() {
		x.Handle = 0
		add("chain", x)
	}
	for _, x := range l.Sets() {
		if x.Handle = 0; x.Flags&nlmsg.SetAnonymous == 0 {
			elements := x.Elements()
			slices.Sort(elements)
			add("set", x, elements)
		}
	}
	for _, x := range l.Flowtables() {
		x.Handle = 0
		add("flowtable", withSortedDevices(x))
	}
	slices.Sort(lines) // rules stay in order
	for _, x := range l.Rules() {
		x.Handle = 0
		if !whole {
			x.Ours, x.Expressions = false, nil
		}
		add("rule", x)
	}
	return lines
}
