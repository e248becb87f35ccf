package offloadtest

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

var _ offload.Selective = (*Kernel)(nil)

// maxTries is how often a Kernel reads everything again when others commit meanwhile.
const maxTries = 10

// InterruptReads has another program commit to a table of its own each time that so many messages of
// rules and elements were read; 0 is never. As on a real kernel a larger Dump then fails.
func (k *Kernel) InterruptReads(messages int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.reading = messages
}

// HurryCommits has another program commit to a table of its own just before each of the next so many batches,
// which are then too late.
func (k *Kernel) HurryCommits(batches int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.hurrying = batches
}

// beHurried is called with the lock held.
func (k *Kernel) beHurried() {
	if k.hurrying > 0 {
		k.hurrying--
		k.foreign(somebody)
	}
}

// readAll reads everything, of one generation.
func (k *Kernel) readAll() ([]ruleset.Message, error) {
	for range maxTries {
		k.mu.Lock()
		f := k.takeFault(atDump)
		messages := k.state.dump(k.model, nil)
		interrupted := k.interrupt(messages)
		k.mu.Unlock()
		if f.err != nil || !interrupted {
			return messages, f.err
		}
	}
	return nil, errors.New("offloadtest: the reading was interrupted again and again by the commits of others")
}

// interrupt is what others do while messages are read. It is called with the lock held.
func (k *Kernel) interrupt(messages []ruleset.Message) bool {
	if k.reading == 0 {
		return false
	}
	n := 0
	for _, m := range messages {
		switch m.Type {
		case nlmsg.NFTablesType(nlmsg.NFTMsgNewRule), nlmsg.NFTablesType(nlmsg.NFTMsgNewSetElem):
			n++
		}
	}
	for range n / k.reading {
		k.foreign(somebody)
	}
	return n/k.reading > 0
}

// DumpOf is Dump, with the sets, elements and rules of those tables alone that are wanted.
func (k *Kernel) DumpOf(ctx context.Context, wanted func(ruleset.LoadedTable) bool) iter.Seq2[ruleset.Message, error] {
	return func(yield func(ruleset.Message, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(ruleset.Message{}, err)
			return
		}
		messages, err := k.readOf(wanted)
		yieldAll(messages, err, yield)
	}
}

func (k *Kernel) readOf(wanted func(ruleset.LoadedTable) bool) ([]ruleset.Message, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if f := k.takeFault(atDump); f.err != nil {
		return nil, f.err
	}
	frame, err := ruleset.Load("", func(yield func(ruleset.Message, error) bool) {
		for _, m := range k.state.dump(k.model, func(*table) bool { return false }) {
			if !yield(m, nil) {
				return
			}
		}
	})
	if err != nil {
		return nil, err
	}
	want := map[string]bool{}
	for _, t := range frame.Tables() {
		want[string(t.Family)+" "+t.Name] = wanted(t)
	}
	in := func(t *table) bool { return want[nlmsg.FamilyName(t.family)+" "+t.name] }
	messages := k.state.dump(k.model, in)
	if k.interrupt(messages) {
		messages = k.state.dump(k.model, in) // nobody touched what is wanted
	}
	return messages, nil
}

// A tableKey names a table.
type tableKey struct {
	family byte
	name   string
}

// A changeKey names what a commit changed: a table, or a set whose elements changed.
type changeKey struct {
	table tableKey
	set   string
}

// somebody is the table of others who commit and no more is said.
var somebody = tableKey{nlmsg.FamilyInet, "somebody"}

// A depth says what of a table a commit changed.
type depth uint8

const (
	changedShape depth = 1 << iota
	changedRules
	changedElements
)

// maxLogged bounds how many commits are remembered.
const maxLogged = 10_000

// log notes what a commit changed, as it was announced. It is called with the lock held.
func (k *Kernel) log(changes map[changeKey]depth) {
	if k.history = append(k.history, changes); k.losing || len(k.history) > maxLogged {
		k.history = nil
	}
}

// ChangedSince tells what commits changed after a generation. What LoseEvents loses is not known.
func (k *Kernel) ChangedSince(ctx context.Context, generation uint32) (offload.Changes, error) {
	if err := ctx.Err(); err != nil {
		return offload.Changes{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if f := k.takeFault(atDump); f.err != nil {
		return offload.Changes{}, f.err
	}
	c := offload.Changes{Generation: k.state.generation}
	n := k.state.generation - generation
	if c.Known = int(n) <= len(k.history); !c.Known {
		return c, nil
	}
	all, sets := map[tableKey]depth{}, map[tableKey][]string{}
	for _, commit := range k.history[len(k.history)-int(n):] {
		for t, what := range commit {
			all[t.table] |= what
			if what&changedElements != 0 && !slices.Contains(sets[t.table], t.set) {
				sets[t.table] = append(sets[t.table], t.set)
			}
		}
	}
	for t, what := range all {
		slices.Sort(sets[t])
		c.Tables = append(c.Tables, offload.TableChange{
			Family: ruleset.Family(nlmsg.FamilyName(t.family)), Name: t.name,
			Shape: what&changedShape != 0, Rules: what&changedRules != 0, Elements: what&changedElements != 0, Sets: sets[t],
		})
	}
	return c, nil
}

// touch notes what a message of a batch is about.
func (t *transaction) touch(m nlmsg.Message) {
	family, _, list, err := nlmsg.Netfilter(m.Data)
	if err != nil || m.Type>>8 != nlmsg.SubsysNFTables {
		return
	}
	what, set := changedShape, ""
	switch m.Type & 0xff {
	case nlmsg.NFTMsgNewRule, nlmsg.NFTMsgDelRule, destroyRule:
		what = changedRules
	case nlmsg.NFTMsgNewSetElem, nlmsg.NFTMsgDelSetElem, destroySetElem:
		what, set = changedElements, parse(list, 20).get(nlmsg.NFTASetElemListSet).String()
	}
	const tableAttr = 1 // of every message
	t.touched[changeKey{tableKey{family, parse(list, 20).get(tableAttr).String()}, set}] |= what
}
