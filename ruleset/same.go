package ruleset

import (
	"bytes"
	"reflect"
	"slices"
)

// SameGround reports whether the tables that the plan is about are now as they were when it was made: those that were declared,
// and those of its owner, and whether its fast path is switched off. Counters, and the elements of live sets, do not count. It is true for a plan that was made without
// looking, and for one of single elements: they do not build on what was there.
//
// That a plan made again has the same operations is not enough: two writers who replace the same rule both send the same, and the
// second would undo what the first did.
func (p *Plan) SameGround(now *Loaded) bool {
	return p.have == nil || p.sameGround(p.have, now)
}

func (p *Plan) sameGround(then, now *Loaded) bool {
	_, wasOff := then.Off(p.want.spec.Owner)
	if _, isOff := now.Off(p.want.spec.Owner); wasOff != isOff {
		return false
	}
	live := map[setKey]bool{}
	keys := map[tableKey]bool{}
	for i := range p.want.spec.Tables {
		t := &p.want.spec.Tables[i]
		keys[tableKey{t.Family, t.Name}] = true
		for j := range t.Sets {
			if t.Sets[j].Live {
				live[setKey{t.Family, t.Name, t.Sets[j].Name}] = true
			}
		}
	}
	for _, t := range slices.Concat(then.owned(p.want.spec.Owner), now.owned(p.want.spec.Owner)) {
		keys[tableKey{t.Family, t.Name}] = true
	}
	for key := range keys {
		if !sameTable(then, now, key, live) {
			return false
		}
	}
	return true
}

func sameTable(then, now *Loaded, key tableKey, live map[setKey]bool) bool {
	a, before := then.table(key.family, key.name)
	b, after := now.table(key.family, key.name)
	if !before || !after {
		return before == after
	}
	if a.Handle != b.Handle || a.Owner != b.Owner || a.Flags != b.Flags {
		return false
	}
	had, has := then.parts[key], now.parts[key]
	if had == nil || has == nil { // a table without a mark: it is replaced as a whole, or refused
		return a.Use == b.Use
	}
	return sameList(had.chains, has.chains, then.chains, now.chains, sameChain) &&
		sameList(had.flowtables, has.flowtables, then.flowtables, now.flowtables, samePlace) &&
		sameList(had.sets, has.sets, then.sets, now.sets, func(a, b *LoadedSet) bool {
			return sameSet(a, b, live[setKey{a.Family, a.Table, a.Name}])
		}) && sameRules(had, has, then, now)
}

// sameList compares the parts of one kind, by their places in two lists.
func sameList[T any](had, has []int, then, now []T, same func(a, b *T) bool) bool {
	return slices.EqualFunc(had, has, func(i, j int) bool { return same(&then[i], &now[j]) })
}

func sameChain(a, b *LoadedChain) bool {
	return a.Family == b.Family && a.Table == b.Table && a.Name == b.Name && a.Handle == b.Handle && a.Type == b.Type &&
		a.Hook == b.Hook && a.Priority == b.Priority && a.Policy == b.Policy && reflect.DeepEqual(a.Devices, b.Devices)
}

// samePlace compares flowtables but for the rules that refer to them.
func samePlace(a, b *LoadedFlowtable) bool {
	x, y := *a, *b
	x.Use, y.Use = 0, 0
	return sameFlowtable(x, y)
}

func sameSet(a, b *LoadedSet, live bool) bool {
	return a.Name == b.Name && a.Handle == b.Handle && a.Flags == b.Flags && a.KeyType == b.KeyType && a.KeyLen == b.KeyLen &&
		(live || a.adorned == b.adorned && a.torn == b.torn && slices.Equal(a.ranges, b.ranges))
}

func sameRules(had, has *loadedParts, then, now *Loaded) bool {
	if len(had.rules) != len(has.rules) {
		return false
	}
	for chain, places := range had.rules {
		if !sameList(places, has.rules[chain], then.rules, now.rules, sameRule) {
			return false
		}
	}
	return true
}

func sameRule(a, b *LoadedRule) bool {
	if a.Handle != b.Handle || a.Comment != b.Comment || a.Ours != b.Ours || a.identity != b.identity {
		return false
	}
	if a.body != 0 && b.body != 0 {
		return a.body == b.body
	}
	return bytes.Equal(a.Expressions, b.Expressions)
}
