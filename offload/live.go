package offload

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-fastpath/fastpath/ruleset"
)

// A LiveSet names a set that is declared Live: its elements are changed one by one, by no plan of its Spec. It is a plain value.
type LiveSet struct {
	Owner  string         // of the table; zero is ruleset.DefaultOwner
	Family ruleset.Family // zero is inet
	Table  string
	Set    string
}

func (s LiveSet) full() LiveSet {
	s.Owner = cmp.Or(s.Owner, ruleset.DefaultOwner)
	s.Family = cmp.Or(s.Family, ruleset.Inet)
	return s
}

// AddElements adds elements to a live set, in nft's spelling; what is there already is no error. Flows that the change forbids or
// excludes are evicted, as by Apply. Errors are those of ruleset.ElementPlan and Apply.
//
// The Manager remembers them, up to 65,536 in all its sets: when the set is made anew, because somebody flushed the ruleset or deleted the table,
// Run puts them back, and Status.LiveSets tells. What another process added nobody remembers.
func (m *Manager) AddElements(ctx context.Context, set LiveSet, elements ...string) (generation uint32, err error) {
	set = set.full()
	var at identity
	var typ ruleset.SetType
	generation, err = m.changeElements(ctx, ruleset.VerbAdd, set, elements, func(have *ruleset.Loaded) {
		if held, is := findSet(have, set); held != nil {
			at, typ = is, held.Type()
		}
	})
	if generation != 0 && m.live.remember(set, typ, elements, at, generation) {
		if r := m.runs.current(); r != nil {
			r.inbox.put(&notice{rules: true, what: "a live set that was made anew meanwhile"})
		}
	}
	return generation, err
}

// DeleteElements deletes elements of a live set; what is not there is no error. Otherwise it is as AddElements.
func (m *Manager) DeleteElements(ctx context.Context, set LiveSet, elements ...string) (generation uint32, err error) {
	set = set.full()
	undo := m.live.forget(set, elements) // first, or Run would take them for deleted by others
	generation, err = m.changeElements(ctx, ruleset.VerbDelete, set, elements, func(*ruleset.Loaded) {})
	if generation == 0 {
		undo()
	}
	return generation, err
}

// changeElements shows look each ruleset that it plans for. The generation is 0 if nothing was changed.
func (m *Manager) changeElements(ctx context.Context, verb ruleset.Verb, set LiveSet, elements []string, look func(*ruleset.Loaded)) (uint32, error) {
	done, err := m.replan(ctx, func() (*ruleset.Plan, error) {
		have, err := m.load(ctx, set.Owner)
		if err != nil {
			return nil, err
		}
		look(have)
		plan, err := ruleset.ElementPlan(have, verb, set.Family, set.Table, set.Set, elements...)
		if err != nil {
			return nil, fmt.Errorf("offload: set %s: %w", set.Set, err)
		}
		return plan, nil
	})
	if done == nil {
		return 0, err
	}
	return done.Generation, err
}

// An identity tells a set from one of the same name that was made anew. The handles of sets begin at 1 in every table.
type identity struct{ table, set uint64 }

// findSet is a set of our own as the kernel holds it, nil if it does not.
func findSet(have *ruleset.Loaded, set LiveSet) (*ruleset.LoadedSet, identity) {
	for _, t := range have.Tables() {
		if t.Family != set.Family || t.Name != set.Table || t.Owner != set.Owner {
			continue
		}
		sets := have.Sets()
		i := slices.IndexFunc(sets, func(s ruleset.LoadedSet) bool {
			return s.Family == set.Family && s.Table == set.Table && s.Name == set.Set
		})
		if i >= 0 {
			return &sets[i], identity{t.Handle, sets[i].Handle}
		}
	}
	return nil, identity{}
}

// maxKeptElements bounds how many elements a Manager remembers, of all its live sets.
const maxKeptElements = 1 << 16

// What a Manager remembers of its live sets.
type liveSets struct {
	mu   sync.Mutex
	sets map[LiveSet]*liveSet
}

// A liveSet is what AddElements put into one set, and what became of it.
type liveSet struct {
	list       ruleset.ElementList
	at         identity // of the set that they are in
	anew       bool     // at cannot tell: they may be in another one
	generation uint32   // from which on the kernel holds them
	held       int      // elements that the kernel held when it was looked at last
	status     LiveSetStatus
}

// of is what is remembered of a set. It is for those who hold the lock.
func (l *liveSets) of(set LiveSet) *liveSet {
	if l.sets == nil {
		l.sets = map[LiveSet]*liveSet{}
	}
	s := l.sets[set]
	if s == nil {
		s = &liveSet{status: LiveSetStatus{Family: set.Family, Table: set.Table, Set: set.Set}}
		l.sets[set] = s
	}
	return s
}

func (l *liveSets) len() (n int) {
	for _, s := range l.sets {
		n += s.list.Len()
	}
	return n
}

// remember keeps elements that a set holds since a generation. It reports whether Run has seen a newer one of that name meanwhile, without them.
func (l *liveSets) remember(set LiveSet, typ ruleset.SetType, elements []string, at identity, generation uint32) (lost bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.of(set)
	if l.len()+len(elements) > maxKeptElements {
		s.status.Unremembered += len(elements)
		return false
	}
	if s.list.Add(typ, elements...) != nil { // ElementPlan took them
		return false
	}
	switch {
	case s.at == identity{}:
		s.at = at
	case s.at != at && later(s.generation, generation):
		s.anew, lost = true, true
	}
	if s.generation == 0 || later(generation, s.generation) {
		s.generation = generation
	}
	return lost
}

// forget takes elements out of memory; undo puts them in again.
func (l *liveSets) forget(set LiveSet, elements []string) (undo func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.sets[set]
	if s == nil {
		return func() {}
	}
	removed := s.list.Remove(elements...)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		_ = s.list.Add(s.list.Type(), removed...)
	}
}

// keepOnly forgets the sets of an owner that are not live any more.
func (l *liveSets) keepOnly(owner string, live []LiveSet) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for set := range l.sets {
		if set.Owner == owner && !slices.Contains(live, set) {
			delete(l.sets, set)
		}
	}
}

// later reports whether a generation is after another; they start anew after the greatest.
func later(a, b uint32) bool { return int32(a-b) > 0 }

// A LiveSetStatus is what became of the elements of one live set. It is a plain value.
type LiveSetStatus struct {
	Family ruleset.Family `json:"family"`
	Table  string         `json:"table"`
	Set    string         `json:"set"`
	// Remembered is how many elements AddElements of this Manager put in, that are put back when the set is made anew.
	Remembered int `json:"remembered,omitempty"`
	// Unremembered is how many it put in that are not, because there are too many.
	Unremembered int `json:"unremembered,omitempty"`
	// Missing is how many of Remembered the kernel does not hold now: nothing is written (Observe, ReportOnly), or others put in what is a part of them.
	Missing int `json:"missing,omitempty"`
	// Anew counts how often others deleted the set and it was made anew, and At is when it was last.
	Anew int       `json:"anew,omitempty"`
	At   time.Time `json:"at,omitzero"`
	// PutBack is how many of Remembered it holds again since then.
	PutBack int `json:"putBack,omitempty"`
	// Lost is how many elements the set held less afterwards: those that others had put in.
	Lost int `json:"lost,omitempty"`
	// Removed is how many of ours others deleted, from a set that stays: they are forgotten.
	Removed int `json:"removed,omitempty"`
}
