package ruleset

import (
	"fmt"
	"hash/fnv"
	"strings"
)

// A ChangedSetting is the mark that a setting of the namespace was changed for an owner, and what it was before. The kernel holds it as an
// empty table, which any later process finds; `nft list ruleset` shows it, and it goes with the namespace. It is a plain value.
type ChangedSetting struct {
	Owner  string `json:"owner"`
	Key    string `json:"key"`    // "net.ipv4.ip_forward"
	Value  string `json:"value"`  // that it was set to
	Before string `json:"before"` // that it had before it was set first
}

// settingPrefix begins the name of the table; a hash of the owner and the key follows, so that each has one.
const settingPrefix = "fastpath_setting_"

// The words of the mark.
const (
	settingKey    = ", changed "
	settingValue  = " to "
	settingBefore = ", before "
)

func (s ChangedSetting) table() string {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(s.Owner + "\x00" + s.Key))
	return fmt.Sprintf("%s%08x", settingPrefix, sum.Sum32())
}

// mark is the owner of the table that is the mark: nobody's Spec has it.
func (s ChangedSetting) mark() string {
	return s.Owner + settingKey + s.Key + settingValue + s.Value + settingBefore + s.Before
}

// ChangedSettings are the settings that were changed for an owner ("" is DefaultOwner), in the kernel's order.
func (l *Loaded) ChangedSettings(owner string) []ChangedSetting {
	if owner == "" {
		owner = DefaultOwner
	}
	if l == nil {
		return nil
	}
	var list []ChangedSetting
	for _, t := range l.tables {
		s := ChangedSetting{Owner: owner}
		rest, ok := strings.CutPrefix(t.Owner, owner+settingKey)
		if !ok {
			continue
		}
		s.Key, rest, _ = strings.Cut(rest, settingValue)
		s.Value, s.Before, ok = strings.Cut(rest, settingBefore)
		if ok && t.Family == Inet && t.Name == s.table() {
			list = append(list, s)
		}
	}
	return list
}

// MarkSettings plans the marks of settings that are to be changed for an owner ("" is DefaultOwner). What a setting was before is
// kept where it bears a mark already.
func MarkSettings(have *Loaded, owner string, settings ...ChangedSetting) (*Plan, error) {
	if owner == "" {
		owner = DefaultOwner
	}
	if err := checkOwner(owner); err != nil {
		return nil, err
	}
	p := emptyPlan(owner, have)
	p.again = func(now *Loaded) (*Plan, error) { return MarkSettings(now, owner, settings...) }
	marked := map[string]ChangedSetting{}
	for _, s := range have.ChangedSettings(owner) {
		marked[s.Key] = s
	}
	for _, s := range settings {
		s.Owner = owner
		if is, ok := marked[s.Key]; ok {
			if s.Before = is.Before; s == is {
				continue
			}
			p.unmark(is, "another value is set")
		}
		if longest := maxComment - len(ownerPrefix); len(s.mark()) > longest {
			return nil, fmt.Errorf("remember %s: the owner's name is too long: a table's comment has room for %d bytes", s.Key, longest)
		}
		p.operations = append(p.operations, Operation{
			Verb: VerbCreate, Kind: KindTable, Family: Inet, Table: s.table(),
			Reason: "it remembers what " + s.Key + " was", object: &newTable{owner: s.mark()},
		})
	}
	return p, nil
}

// UnmarkSettings plans that the marks of an owner's settings ("" is DefaultOwner) go.
func UnmarkSettings(have *Loaded, owner string) (*Plan, error) {
	if owner == "" {
		owner = DefaultOwner
	}
	p := emptyPlan(owner, have)
	p.again = func(now *Loaded) (*Plan, error) { return UnmarkSettings(now, owner) }
	for _, s := range have.ChangedSettings(owner) {
		p.unmark(s, "the setting is as before, or no longer ours")
	}
	return p, nil
}

func (p *Plan) unmark(s ChangedSetting, why string) {
	p.operations = append(p.operations, Operation{Verb: VerbDelete, Kind: KindTable, Family: Inet, Table: s.table(), Reason: why})
}
