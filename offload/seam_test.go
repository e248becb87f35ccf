package offload_test

import (
	"context"
	"embed"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"iter"
	"net/netip"
	"slices"
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

// A wrapper is what a program outside of this module can make: a Kernel that embeds another, hands
// on all that it can do, and notes it.
type wrapper struct {
	offload.Kernel
	mu     sync.Mutex
	called map[string]bool
}

func (w *wrapper) note(call string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.called[call] = true
}

func (w *wrapper) Sysctl(ctx context.Context, key string) (string, error) {
	w.note("Sysctl")
	return w.Kernel.(offload.Tunable).Sysctl(ctx, key)
}

func (w *wrapper) WriteSysctl(ctx context.Context, key, value string) error {
	w.note("WriteSysctl")
	return w.Kernel.(offload.Writable).WriteSysctl(ctx, key, value)
}

func (w *wrapper) Events(ctx context.Context, cfg offload.EventConfig) iter.Seq2[offload.Event, error] {
	w.note("Events")
	return w.Kernel.(offload.Eventful).Events(ctx, cfg)
}

func (w *wrapper) LockFrom(ctx context.Context, owner string, takeover bool) (<-chan struct{}, func() error, uint32, error) {
	w.note("LockFrom")
	return w.Kernel.(offload.Lockable).LockFrom(ctx, owner, takeover)
}

func (w *wrapper) Probe(ctx context.Context, devices []string, force bool) ([]flowtable.Answer, error) {
	w.note("Probe")
	return w.Kernel.(offload.Prober).Probe(ctx, devices, force)
}

func (w *wrapper) Manners(ctx context.Context) (offload.Manners, error) {
	w.note("Manners")
	return w.Kernel.(offload.Mannered).Manners(ctx)
}

func (w *wrapper) Module(name string) offload.Module {
	w.note("Module")
	return w.Kernel.(offload.Modular).Module(name)
}

func (w *wrapper) NetNS() string {
	w.note("NetNS")
	return w.Kernel.(offload.Placed).NetNS()
}

func (w *wrapper) Conntrack() conntrack.Source {
	w.note("Conntrack")
	return w.Kernel.(offload.Tracked).Conntrack()
}

func (w *wrapper) Devices(ctx context.Context, addrs []netip.Addr) (map[netip.Addr]string, error) {
	w.note("Devices")
	return w.Kernel.(offload.Routed).Devices(ctx, addrs)
}

func (w *wrapper) Survey(ctx context.Context) (*offload.Survey, error) {
	w.note("Survey")
	return w.Kernel.(offload.Surveyor).Survey(ctx)
}

func (w *wrapper) NextHops(ctx context.Context, addrs []netip.Addr) (map[netip.Addr]offload.Hop, error) {
	w.note("NextHops")
	return w.Kernel.(offload.Surveyor).NextHops(ctx, addrs)
}

func (w *wrapper) DumpOf(ctx context.Context, wanted func(ruleset.LoadedTable) bool) iter.Seq2[ruleset.Message, error] {
	w.note("DumpOf")
	return w.Kernel.(offload.Selective).DumpOf(ctx, wanted)
}

func (w *wrapper) ChangedSince(ctx context.Context, generation uint32) (offload.Changes, error) {
	w.note("ChangedSince")
	return w.Kernel.(offload.Selective).ChangedSince(ctx, generation)
}

func (w *wrapper) TargetOf(ctx context.Context, features, defaultRoutes bool) (*flowtable.Target, error) {
	w.note("TargetOf")
	return w.Kernel.(offload.Thrifty).TargetOf(ctx, features, defaultRoutes)
}

func (w *wrapper) Tables(ctx context.Context) iter.Seq2[ruleset.Message, error] {
	w.note("Tables")
	return w.Kernel.(offload.Tabled).Tables(ctx)
}

func (w *wrapper) Hooks(ctx context.Context, devices []string) ([]offload.DeviceHooks, error) {
	w.note("Hooks")
	return w.Kernel.(offload.Hooked).Hooks(ctx, devices)
}

// bare is a Kernel that can do what it has to and no more.
type bare struct{ offload.Kernel }

// flowing is a kernel in memory with a flow in the fast path, from 192.0.2.2 behind lan0 to
// 198.51.100.2 behind wan0.
func flowing(t *testing.T) *offloadtest.Kernel {
	k := offloadtest.New(t, offloadtest.Linux72("lan0", "wan0"))
	k.SetRoutes(offloadtest.Route{To: netip.MustParsePrefix("192.0.2.0/24"), Device: "lan0"})
	k.SetDefaultRoutes("wan0")
	flow := conntrack.Tuple{Src: netip.MustParseAddrPort("192.0.2.2:1024"), Dst: netip.MustParseAddrPort("198.51.100.2:443"), Proto: 6}
	k.AddFlow(conntrack.Entry{Orig: flow, Status: conntrack.Offload | conntrack.SeenReply | conntrack.Assured})
	return k
}

// TestWrappedKernel: a Manager finds all that a Kernel of another package can do.
func TestWrappedKernel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := flowing(t)
		w := &wrapper{Kernel: k, called: map[string]bool{}}
		m, err := offload.Open(t.Context(), &offload.Config{Kernel: w})
		require.NoError(t, err)
		facts, err := m.Facts(t.Context())
		require.NoError(t, err)
		for _, f := range facts {
			if slices.Contains([]string{"flowtables", "accounting", "nf_flow_table"}, f.Name) {
				assert.Equal(t, "yes", f.Answer, "%v", f)
			}
		}
		changed, err := m.SetSettings(t.Context(), "", offload.Setting{Key: "net.ipv4.ip_forward", Value: "0"})
		require.NoError(t, err)
		assert.Len(t, changed, 1)
		_, err = m.Probe(t.Context(), false, "wan0")
		require.NoError(t, err)
		owners, err := m.Owners(t.Context())
		require.NoError(t, err)
		assert.Len(t, owners, 1)
		_, err = m.Stale(t.Context())
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() { left <- m.Run(ctx, fast("lan0", "wan0")) }()
		synctest.Wait()
		seen, err := m.WithHooks(t.Context(), statusOf(t, m))
		require.NoError(t, err)
		for _, d := range seen.Devices {
			assert.Equal(t, offload.HookSeen, d.Hook, d.Device)
		}
		gone, err := m.Evict(t.Context(), offload.Eviction{Device: "lan0"})
		require.NoError(t, err)
		assert.Len(t, gone.Victims, 1)
		stop()
		require.ErrorIs(t, <-left, context.Canceled)
		require.NoError(t, m.Close())

		for _, name := range optionalMethods(t) {
			assert.True(t, w.called[name], "nobody called %s", name)
		}
	})
}

// TestBareKernel: a Manager does without all that a Kernel can do beside what it has to, and says
// what it does not know.
func TestBareKernel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := flowing(t)
		m, err := offload.Open(t.Context(), &offload.Config{Kernel: bare{k}})
		require.NoError(t, err)
		facts, err := m.Facts(t.Context())
		require.NoError(t, err)
		for _, f := range facts {
			if f.Name != "release" && f.Name != "by name" && f.Name != "wildcards" {
				assert.Equal(t, "unknown", f.Answer, "%v", f)
			}
		}
		_, err = m.SetSettings(t.Context(), "", offload.Setting{Key: "net.ipv4.ip_forward", Value: "0"})
		require.ErrorIs(t, err, errors.ErrUnsupported)
		answers, err := m.Probe(t.Context(), false, "wan0")
		require.NoError(t, err)
		assert.Equal(t, flowtable.NotTried, answers[0].Result)
		_, err = m.Stale(t.Context())
		require.ErrorIs(t, err, errors.ErrUnsupported)
		_, err = m.Evict(t.Context(), offload.Eviction{Device: "lan0"})
		require.ErrorIs(t, err, errors.ErrUnsupported)
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		require.ErrorIs(t, m.Run(ctx, fast("lan0", "wan0")), context.DeadlineExceeded)
		have, err := ruleset.Load(ruleset.DefaultOwner, k.Dump(t.Context()))
		require.NoError(t, err)
		assert.Len(t, have.Flowtables(), 1)
		seen, err := m.WithHooks(t.Context(), statusOf(t, m))
		require.NoError(t, err)
		require.NotEmpty(t, seen.Devices)
		for _, d := range seen.Devices {
			assert.Equal(t, offload.HookUntold, d.Hook, d.Device)
		}
		owners, err := m.Owners(t.Context())
		require.NoError(t, err)
		require.Len(t, owners, 1)
		assert.Len(t, owners[0].Flowtables, 1)
		require.NoError(t, m.Close())
	})
}

// statusOf is the newest Status of a Manager.
func statusOf(t *testing.T, m *offload.Manager) *offload.Status {
	t.Helper()
	for s := range m.Statuses(t.Context()) {
		return s
	}
	t.Fatal("there is no status")
	return nil
}

// sources are the files of this package: a virtual machine has the test and not them.
//
//go:embed *.go
var sources embed.FS

func parse(t *testing.T, path string) *ast.File {
	text, err := sources.ReadFile(path)
	require.NoError(t, err)
	file, err := parser.ParseFile(token.NewFileSet(), path, text, 0)
	require.NoError(t, err)
	return file
}

// TestOptionalCallsAreListed: what a Kernel is asked whether it can do is in seam.go, where all can
// see and name it.
func TestOptionalCallsAreListed(t *testing.T) {
	listed := map[string]bool{}
	for _, s := range optional(t) {
		listed[s.Name.Name] = true
	}
	files, err := sources.ReadDir(".")
	require.NoError(t, err)
	asked := map[string]bool{}
	for _, f := range files {
		path := f.Name()
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		ast.Inspect(parse(t, path), func(n ast.Node) bool {
			if is, ok := n.(*ast.TypeAssertExpr); ok {
				of, ok := is.X.(*ast.SelectorExpr)
				if !ok || of.Sel.Name != "kernel" {
					return true
				}
				require.NotNil(t, is.Type, "%s: a type switch on a Kernel: assert each interface, so that none hides another", path)
				ast.Inspect(is.Type, func(n ast.Node) bool {
					if name, ok := n.(*ast.Ident); ok {
						asked[name.Name] = true
						assert.True(t, listed[name.Name], "%s asks a Kernel for %s, which seam.go does not list", path, name.Name)
					}
					return true
				})
			}
			return true
		})
	}
	for name := range listed {
		assert.True(t, asked[name], "nobody asks a Kernel for %s", name)
		assert.True(t, ast.IsExported(name), name)
	}
}

// optional are the interfaces of seam.go.
func optional(t *testing.T) (list []*ast.TypeSpec) {
	ast.Inspect(parse(t, "seam.go"), func(n ast.Node) bool {
		if s, ok := n.(*ast.TypeSpec); ok {
			if _, ok := s.Type.(*ast.InterfaceType); ok {
				list = append(list, s)
			}
		}
		return true
	})
	require.NotEmpty(t, list)
	return list
}

func optionalMethods(t *testing.T) (names []string) {
	for _, s := range optional(t) {
		for _, method := range s.Type.(*ast.InterfaceType).Methods.List {
			names = append(names, method.Names[0].Name)
		}
	}
	return names
}
