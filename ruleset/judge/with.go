package judge

import (
	"maps"

	"github.com/go-fastpath/fastpath/ruleset"
)

// With is r after a batch that adds and deletes elements. r stays as it was.
func (r *Ruleset) With(b *ruleset.Batch) (*Ruleset, error) {
	c := &reader{Ruleset: Ruleset{order: r.order, tables: map[tableKey]*table{}}, fresh: map[*set]bool{}}
	for key, t := range r.tables {
		copied := *t
		copied.sets = maps.Clone(t.sets)
		copied.chains = make(map[string]*chain, len(t.chains))
		for name, old := range t.chains {
			fresh := *old
			fresh.table = &copied
			copied.chains[name] = &fresh
		}
		c.tables[key] = &copied
	}
	return c.read(messages(b))
}

// TakeSets puts the sets of an older ruleset in the place of those with the same name that did not change: a Spec does not say
// what live sets hold.
func (r *Ruleset) TakeSets(from *Ruleset, changed func(family ruleset.Family, table, set string) bool) {
	for key, t := range r.tables {
		old := from.tables[key]
		if old == nil {
			continue
		}
		for name := range t.sets {
			if s := old.sets[name]; s != nil && !s.anonymous() && !changed(FamilyName(key.family), key.name, name) {
				t.sets[name] = s
			}
		}
	}
}
