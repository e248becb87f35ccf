package offload_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/kernel"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestSoakWriters has two writers fight for one table while a third commits to a table of its own: each version follows from the one
// that its writer read, none is lost, none is seen in part, and nobody starves. With FASTPATH_SOAK (make soak) they fight for a
// minute, and until each has 200 commits; else until each has a few.
func TestSoakWriters(t *testing.T) {
	testns.CheckLeaks(t)
	lasts, least := time.Duration(0), 10
	if os.Getenv("FASTPATH_SOAK") != "" {
		lasts, least = time.Minute, 200
	}
	ns := testns.NewT(t, "writers")
	f := &fight{least: least, end: time.Now().Add(lasts), versions: map[int]string{}, commits: map[string]int{}, conflicts: map[string]int{}}
	f.stop, f.cancel = context.WithTimeout(t.Context(), lasts+10*time.Minute)
	defer f.cancel()
	var group sync.WaitGroup
	for _, writer := range []string{"a", "b"} {
		w := f.newWriter(t, ns, writer)
		group.Go(func() { f.errs(t, writer, w.write) })
	}
	w := f.newWriter(t, ns, "foreign")
	group.Go(func() { f.errs(t, "foreign", w.commitElsewhere) })
	group.Wait()

	version, _, err := w.read(t.Context())
	require.NoError(t, err)
	assert.Equal(t, f.commits["a"]+f.commits["b"], version, "each commit made one version of the one before")
	for _, writer := range []string{"a", "b", "foreign"} {
		assert.GreaterOrEqual(t, f.commits[writer], least, writer)
	}
	t.Logf("commits %v, conflicts %v", f.commits, f.conflicts)
}

// A fight is what the writers share.
type fight struct {
	least  int
	end    time.Time
	stop   context.Context
	cancel context.CancelFunc

	mu        sync.Mutex
	versions  map[int]string // who made it
	commits   map[string]int
	conflicts map[string]int
}

// A writer has sockets of its own, as another process has.
type writer struct {
	*fight
	name    string
	kernel  *kernel.Kernel
	manager *offload.Manager
}

func (f *fight) newWriter(t *testing.T, ns *testns.Namespace, name string) writer {
	k, err := kernel.Open(ns.Path())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, k.Close()) })
	return writer{f, name, k, openManager(t, ns)}
}

// errs runs a writer to its end. What goes wrong with one ends all.
func (f *fight) errs(t *testing.T, name string, run func() error) {
	if err := run(); err != nil {
		assert.NoError(t, err, name)
		f.cancel()
	}
}

// over reports whether a writer may end: the time is up, and all have what they need.
func (f *fight) over() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !time.Now().Before(f.end) && f.commits["a"] >= f.least && f.commits["b"] >= f.least && f.commits["foreign"] >= f.least
}

// count notes a commit or a conflict.
func (f *fight) count(of map[string]int, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	of[name]++
}

// write makes the next version of what it reads, again and again.
func (w writer) write() error {
	for !w.over() {
		version, generation, err := w.read(w.stop)
		if err != nil {
			return err
		}
		plan, err := w.manager.Plan(w.stop, contested(version+1, w.name))
		if err != nil {
			return err
		}
		if plan.Generation() != generation { // the plan is not made from what was read
			continue
		}
		_, err = w.manager.Apply(w.stop, plan)
		if errors.Is(err, offload.ErrConflict) {
			w.count(w.conflicts, w.name)
			continue
		}
		if err != nil {
			return err
		}
		w.mu.Lock()
		other := w.versions[version+1]
		w.versions[version+1] = w.name
		w.mu.Unlock()
		if other != "" {
			return fmt.Errorf("version %d was made by %s before: that update is lost", version+1, other)
		}
		w.count(w.commits, w.name)
	}
	return nil
}

// commitElsewhere changes a table of another owner as fast as it can.
func (w writer) commitElsewhere() error {
	for n := 0; !w.over(); n++ {
		spec := contested(n, "")
		spec.Owner, spec.Tables[0].Name = "elsewhere", "elsewhere"
		if _, err := w.manager.Reconcile(w.stop, spec); err != nil {
			return err
		}
		w.count(w.commits, w.name)
	}
	return nil
}

// contestedRules is how many rules tell the version, beside as many elements.
const contestedRules = 20

// contested is a version of the table: its number is in every rule and every element.
func contested(version int, by string) *ruleset.Spec {
	chain := ruleset.Chain{Name: "c", Hook: ruleset.Forward}
	set := ruleset.Set{Name: "s", Type: ruleset.IfName}
	for i := range contestedRules {
		chain.Rules = append(chain.Rules, ruleset.R(ruleset.TCPDport.Is(uint16(i+1)), ruleset.Counter()).Note(fmt.Sprintf("%d %d %s", version, i, by)))
		set.Elements = append(set.Elements, fmt.Sprintf("v%d.%d", version, i))
	}
	return &ruleset.Spec{Tables: []ruleset.Table{{Name: "contested", Sets: []ruleset.Set{set}, Chains: []ruleset.Chain{chain}}}}
}

// read tells the version of the table, 0 if it is not there, and the generation. A table that is of two versions is an error.
func (w writer) read(ctx context.Context) (version int, generation uint32, err error) {
	l, err := ruleset.Load("", w.kernel.Dump(ctx))
	if err != nil {
		return 0, 0, err
	}
	versions, rules, elements := map[int]bool{}, 0, 0
	for _, r := range l.Rules() {
		if r.Table == "contested" {
			if _, err := fmt.Sscan(r.Comment, &version); err != nil {
				return 0, 0, fmt.Errorf("comment %q: %w", r.Comment, err)
			}
			versions[version] = true
			rules++
		}
	}
	for _, s := range l.Sets() {
		if s.Table == "contested" {
			for _, e := range s.Elements() {
				if _, err := fmt.Sscanf(strings.Trim(e, `"`), "v%d", &version); err != nil {
					return 0, 0, fmt.Errorf("element %s: %w", e, err)
				}
				versions[version] = true
				elements++
			}
		}
	}
	if len(versions) > 1 || rules != elements || len(versions) == 1 && rules != contestedRules {
		return 0, 0, fmt.Errorf("%d rules and %d elements of the versions %v: a part of something", rules, elements, versions)
	}
	return version, l.Generation(), nil
}
