package offload

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestPrivileges holds the table of docs/SECURITY.md to what each call does for a user without capabilities, in a namespace that it may read.
func TestPrivileges(t *testing.T) {
	testns.RequireNamespaces(t)
	page, err := os.ReadFile("../docs/SECURITY.md")
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("FASTPATH_VM") != "" {
		return // the virtual machine has the package's own files alone
	}
	require.NoError(t, err)
	documented := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `((?:Manager|conntrack)\\.[A-Za-z]+)` \\| ([^|]+) \\|").FindAllStringSubmatch(string(page), -1) {
		documented[row[1]] = strings.TrimSpace(row[2])
	}
	cmd := exec.CommandContext(testContext(t), "/proc/self/exe")
	cmd.Env = append(os.Environ(), childVariable+"=privileges")
	cmd.SysProcAttr = nobody()
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	seen := map[string]string{}
	for line := range strings.Lines(string(out)) {
		call, needs, _ := strings.Cut(strings.TrimSpace(line), "\t")
		seen[call] = needs
	}
	assert.Equal(t, seen, documented)
}

// childPrivileges makes each call once and prints what it needs.
func childPrivileges(ctx context.Context, m *Manager) error {
	calls := unprivilegedCalls(m)
	for _, name := range slices.Sorted(maps.Keys(calls)) {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := calls[name](ctx)
		cancel()
		switch {
		case err == nil:
			fmt.Println(name + "\tnothing")
		case errors.Is(err, fs.ErrPermission):
			fmt.Println(name + "\tCAP_NET_ADMIN")
		default:
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func unprivilegedCalls(m *Manager) map[string]func(context.Context) error {
	resolved, err := plain().Resolve(nil)
	fail := func(context.Context) error { return err }
	if err != nil {
		return map[string]func(context.Context) error{"Spec.Resolve": fail}
	}
	plan, err := ruleset.Diff(nil, resolved)
	if err != nil {
		return map[string]func(context.Context) error{"Diff": fail}
	}
	live := LiveSet{Table: "t", Set: "s"}
	return map[string]func(context.Context) error{
		"Manager.Target":    func(ctx context.Context) error { _, err := m.Target(ctx); return err },
		"Manager.Facts":     func(ctx context.Context) error { _, err := m.Facts(ctx); return err },
		"Manager.Plan":      func(ctx context.Context) error { _, err := m.Plan(ctx, plain()); return err },
		"Manager.Check":     func(ctx context.Context) error { return m.Check(ctx, plan) },
		"Manager.DryRun":    func(ctx context.Context) error { _, err := m.DryRun(ctx, plan); return err },
		"Manager.Victims":   func(ctx context.Context) error { _, err := m.Victims(ctx, plan); return err },
		"Manager.Conflicts": func(ctx context.Context) error { _, err := m.Conflicts(ctx, plain()); return err },
		"Manager.Apply":     func(ctx context.Context) error { _, err := m.Apply(ctx, plan); return err },
		"Manager.Reconcile": func(ctx context.Context) error { _, err := m.Reconcile(ctx, plain()); return err },
		"Manager.Confirm":   func(ctx context.Context) error { return m.Confirm(ctx, "") },
		"Manager.Run":       func(ctx context.Context) error { return m.Run(ctx, plain()) },
		"Manager.Off":       func(ctx context.Context) error { return m.Off(ctx, "") },
		"Manager.On":        func(ctx context.Context) error { return m.On(ctx, "") },
		"Manager.IsOff":     func(ctx context.Context) error { _, _, err := m.IsOff(ctx, ""); return err },
		"Manager.Owners":    func(ctx context.Context) error { _, err := m.Owners(ctx); return err },
		"Manager.WithHooks": func(ctx context.Context) error {
			d := DeviceStatus{Binding: flowtable.Binding{Flowtable: "f", Device: "lo", State: flowtable.Bound}}
			_, err := m.WithHooks(ctx, &Status{Owner: ruleset.DefaultOwner, Devices: []DeviceStatus{d}})
			return err
		},
		"Manager.PlanOff":        func(ctx context.Context) error { _, err := m.PlanOff(ctx, ""); return err },
		"Manager.Uninstall":      func(ctx context.Context) error { _, err := m.Uninstall(ctx, ""); return err },
		"Manager.AddElements":    func(ctx context.Context) error { _, err := m.AddElements(ctx, live, "192.0.2.1"); return err },
		"Manager.DeleteElements": func(ctx context.Context) error { _, err := m.DeleteElements(ctx, live, "192.0.2.1"); return err },
		"Manager.SetSettings": func(ctx context.Context) error {
			_, err := m.SetSettings(ctx, "", Setting{Key: "net.ipv4.ip_forward", Value: "1"})
			return err
		},
		"Manager.Evict": func(ctx context.Context) error { _, err := m.Evict(ctx, Eviction{}); return err },
		"Manager.Stale": func(ctx context.Context) error { _, err := m.Stale(ctx); return err },
		"Manager.Watch": func(ctx context.Context) error {
			w, err := m.Watch(ctx, nil)
			if err != nil {
				return err
			}
			return w.Close()
		},
		"conntrack.Open": func(ctx context.Context) error {
			w, err := conntrack.Open(ctx, nil)
			if err != nil {
				return err
			}
			return w.Close()
		},
	}
}
