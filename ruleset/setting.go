package ruleset

import (
	"cmp"
	"fmt"

	"github.com/go-fastpath/fastpath/internal/mark"
)

// A ChangedSetting is the mark that a setting of the namespace was changed for an owner, and what it was before. The kernel holds it as an
// empty table fastpath_setting_*, which any later process finds; `nft list ruleset` shows it, and it goes with the namespace. It is a plain value.
type ChangedSetting struct {
	Owner  string `json:"owner"`
	Key    string `json:"key"`    // "net.ipv4.ip_forward"
	Value  string `json:"value"`  // that it was set to
	Before string `json:"before"` // that it had before it was set first
	// Restored says that the mark comes from a ruleset that was saved and restored: the setting may never have been changed since.
	Restored bool `json:"restored,omitempty"`
}

// ChangedSettings are the settings that were changed for an owner ("" is DefaultOwner), in the order of their tables. Each is one that
// offload.Manager.SetSettings takes, with values that it can have, whoever made the table; others are IgnoredMarks.
func (l *Loaded) ChangedSettings(owner string) []ChangedSetting {
	var list []ChangedSetting
	for _, m := range l.marksOf(mark.Setting, owner) {
		list = append(list, ChangedSetting{m.Owner, m.Values[0], m.Values[1], m.Values[2], m.Restored})
	}
	return list
}

// OthersSettings are the settings of a key that were changed for other owners than this one ("" is DefaultOwner).
func (l *Loaded) OthersSettings(owner, key string) []ChangedSetting {
	var list []ChangedSetting
	for _, name := range l.MarkedOwners() {
		if name == cmp.Or(owner, DefaultOwner) {
			continue
		}
		for _, s := range l.ChangedSettings(name) {
			if s.Key == key {
				list = append(list, s)
			}
		}
	}
	return list
}

// MarkSettings plans the marks of settings that are to be changed for an owner ("" is DefaultOwner). What a setting was before is
// kept where it bears a mark already that was made here, the owner's, or another's who changed it to what it is. One that is changed to
// what it is bears a mark only where it is so for another owner: then both want it. Settings, and values, that SetSettings does not take are errors.
func MarkSettings(have *Loaded, owner string, settings ...ChangedSetting) (*Plan, error) {
	owner = cmp.Or(owner, DefaultOwner)
	if err := checkOwner(owner); err != nil {
		return nil, err
	}
	p := emptyPlan(owner, have)
	p.again = func(now *Loaded) (*Plan, error) { return MarkSettings(now, owner, settings...) }
	marked := map[string]mark.Mark{}
	for _, m := range have.marksOf(mark.Setting, owner) {
		marked[m.Values[0]] = m
	}
	for _, s := range settings {
		before, others := have.beforeOthers(owner, s)
		m, ok := marked[s.Key]
		if s.Before == s.Value && (ok || !others) {
			continue
		}
		s.Before = before
		if ok {
			if !m.Restored {
				s.Before = m.Values[2]
			}
			if !m.Restored && s.Value == m.Values[1] {
				continue
			}
			p.unmark(m.Table, "another value is set")
		}
		if _, err := mark.Setting.Text(owner, s.Key, s.Value, s.Before); err != nil {
			return nil, fmt.Errorf("remember %s: %w", s.Key, err)
		}
		p.mark(have, "it remembers what "+s.Key+" was", mark.Setting, owner, s.Key, s.Value, s.Before)
	}
	return p, nil
}

// beforeOthers is what a setting was before other owners changed it, if it is what one of them changed it to; else what it is.
func (l *Loaded) beforeOthers(owner string, s ChangedSetting) (before string, others bool) {
	for _, o := range l.OthersSettings(owner, s.Key) {
		if !o.Restored && o.Value == s.Before {
			return o.Before, true
		}
	}
	return s.Before, false
}

// UnmarkSettings plans that the marks of an owner's settings ("" is DefaultOwner) go.
func UnmarkSettings(have *Loaded, owner string) (*Plan, error) {
	if owner == "" {
		owner = DefaultOwner
	}
	p := emptyPlan(owner, have)
	p.again = func(now *Loaded) (*Plan, error) { return UnmarkSettings(now, owner) }
	for _, m := range have.marksOf(mark.Setting, owner) {
		p.unmark(m.Table, "the setting is as before, or no longer ours")
	}
	return p, nil
}
