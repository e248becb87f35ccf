package offload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/mark"
	"github.com/go-fastpath/fastpath/ruleset"
)

// SetSettings changes settings of the namespace for an owner ("" is ruleset.DefaultOwner) and returns those that had another value.
// Nothing else in this library changes a setting by itself. What each was before is remembered in the kernel, as an empty table
// fastpath_setting_* that is committed before the setting is written, so that Uninstall of that owner puts it back from any process. What several owners
// set stays as long as one of them is there, and is put back to what it was before the first.
//
// It takes forwarding (net.ipv4.ip_forward, net.ipv6.conf.all.forwarding: changing them resets other settings of the devices, and
// with forwarding on a device accepts no router advertisements), net.netfilter.nf_conntrack_acct, nf_conntrack_timestamp and
// nf_conntrack_tcp_loose, each 0 or 1, nf_conntrack_events (0 never, 1 always, 2 for connections that begin while somebody listens), and
// nf_flowtable_tcp_timeout and nf_flowtable_udp_timeout in seconds (Linux 5.14). What a connection began under stays with it:
// conntrack.Settings.Lacks says what is hidden by acct, events and timestamp. Errors match fs.ErrNotExist where the kernel lacks
// one, fs.ErrPermission without CAP_NET_ADMIN, and errors.ErrUnsupported where the Kernel has no settings. Those before it in the
// list are changed then, and remembered.
func (m *Manager) SetSettings(ctx context.Context, owner string, settings ...Setting) (changed []Setting, err error) {
	k, ok := m.kernel.(interface {
		Tunable
		Writable
	})
	if !ok {
		return nil, fmt.Errorf("offload: settings: %w: this Kernel has none", errors.ErrUnsupported)
	}
	var marks []ruleset.ChangedSetting
	for _, s := range settings {
		if err := mark.CheckSetting(s.Key, s.Value); err != nil {
			return nil, fmt.Errorf("offload: settings: %w", err)
		}
		now, err := k.Sysctl(ctx, s.Key)
		if err != nil {
			return nil, fmt.Errorf("offload: settings: read %s: %w", s.Key, err)
		}
		if now != s.Value {
			changed = append(changed, s)
		}
		marks = append(marks, ruleset.ChangedSetting{Key: s.Key, Value: s.Value, Before: now})
	}
	owner = cmp.Or(owner, ruleset.DefaultOwner)
	err = m.turn(ctx, owner, func(have *ruleset.Loaded) (*ruleset.Plan, error) { return ruleset.MarkSettings(have, owner, marks...) })
	if err != nil {
		return nil, fmt.Errorf("offload: remember what the settings of %q were: %w; nothing was changed", owner, err)
	}
	for i, s := range changed {
		if err := k.WriteSysctl(ctx, s.Key, s.Value); err != nil {
			return changed[:i], fmt.Errorf("offload: set %s to %s: %w", s.Key, s.Value, err)
		}
		m.log.InfoContext(ctx, "setting changed", "key", s.Key, "value", s.Value, "before", valueBefore(marks, s.Key), "owner", owner)
	}
	return changed, nil
}

// valueBefore is what a setting was.
func valueBefore(marks []ruleset.ChangedSetting, key string) string {
	i := slices.IndexFunc(marks, func(m ruleset.ChangedSetting) bool { return m.Key == key })
	return marks[i].Before
}

// restoreSettings puts back what SetSettings changed for an owner, and forgets it.
func (m *Manager) restoreSettings(ctx context.Context, u *Uninstalled, owner string) error {
	have, err := m.load(ctx, owner)
	if err != nil {
		return err
	}
	marks := have.ChangedSettings(owner)
	if len(marks) == 0 {
		return nil
	}
	if slices.ContainsFunc(marks, func(s ruleset.ChangedSetting) bool { return s.Key == mark.Accounting }) {
		if have, err = m.loadAll(ctx, owner); err != nil { // whose rules count
			return err
		}
	}
	for _, s := range marks {
		if err := m.restoreSetting(ctx, u, s, have); err != nil {
			return err
		}
	}
	err = m.turn(ctx, owner, func(have *ruleset.Loaded) (*ruleset.Plan, error) { return ruleset.UnmarkSettings(have, owner) })
	if err != nil {
		return fmt.Errorf("offload: forget what the settings of %q were: %w", owner, err)
	}
	return nil
}

// restoreSetting puts one back, unless someone else changed it since, or needs it.
func (m *Manager) restoreSetting(ctx context.Context, u *Uninstalled, s ruleset.ChangedSetting, have *ruleset.Loaded) error {
	k, ok := m.kernel.(interface {
		Tunable
		Writable
	})
	if !ok {
		return fmt.Errorf("offload: %s was changed and this Kernel cannot put it back to %s", s.Key, s.Before)
	}
	now, err := k.Sysctl(ctx, s.Key)
	if err != nil {
		return fmt.Errorf("offload: look whether %s is as it was set: %w", s.Key, err)
	}
	back, why := whatIsLeft(s, now, have)
	switch {
	case now == back:
	case why == "":
		if err := k.WriteSysctl(ctx, s.Key, back); err != nil {
			return fmt.Errorf("offload: put %s back to %s: %w", s.Key, back, err)
		}
		u.Restored = append(u.Restored, Setting{s.Key, back})
		return nil
	}
	// What restoreAccounting says of it is said already.
	if why != "" && !slices.ContainsFunc(u.Left, func(l LeftSetting) bool { return l.Key == s.Key }) {
		u.Left = append(u.Left, LeftSetting{Setting{s.Key, now}, why})
	}
	return nil
}

// whatIsLeft is what a setting goes back to, or why it stays as it is.
func whatIsLeft(s ruleset.ChangedSetting, now string, have *ruleset.Loaded) (back, why string) {
	others := slices.DeleteFunc(have.OthersSettings(s.Owner, s.Key), func(o ruleset.ChangedSetting) bool { return o.Restored })
	if i := slices.IndexFunc(others, func(o ruleset.ChangedSetting) bool { return o.Value == now }); i >= 0 {
		return now, fmt.Sprintf("it was set for the owner %q too, whose Uninstall puts it back", others[i].Owner)
	}
	counting := have.Counting()
	switch {
	case now == s.Before:
		return now, ""
	case s.Restored:
		return "", fmt.Sprintf("its mark comes from a ruleset that was saved and restored, so that nobody knows whether it was changed since; "+
			"it says that before it was %s", s.Before)
	case now != s.Value:
		return "", fmt.Sprintf("someone changed it after it was set to %s; before it was %s", s.Value, s.Before)
	case len(others) > 0:
		return others[0].Value, ""
	case s.Key == mark.Accounting && len(counting) > 0:
		return "", fmt.Sprintf("rules of table %s %s count connections' packets too; before it was %s", counting[0].Family, flowtable.Spelled(counting[0].Name), s.Before)
	}
	return s.Before, ""
}
