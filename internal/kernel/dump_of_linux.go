package kernel

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/nlsock"
	"github.com/go-fastpath/fastpath/ruleset"
)

// readPatience bounds how long a reading follows others who change what it reads.
const readPatience = 30 * time.Second

// DumpOf is Dump, with the sets, elements and rules of those tables alone that are wanted. It yields what the kernel holds at
// one generation, as Dump does, and yet ends while others go on committing.
//
// What is in a table is read by the table's name, as long as that may take. Where the kernel keeps its place in such a dump, it counts
// what is in that table alone, so that commits elsewhere do no harm; and what is announced tells whether one changed the
// table (journal). Tables, chains and flowtables are read in the end, at one generation: there the kernel counts everybody's,
// and they are few.
func (k *Kernel) DumpOf(ctx context.Context, wanted func(ruleset.LoadedTable) bool) iter.Seq2[ruleset.Message, error] {
	return func(yield func(ruleset.Message, error) bool) {
		s := &selection{k: k, wanted: wanted, parts: map[tableName]*part{}}
		err := s.read(ctx)
		if err != nil {
			yield(ruleset.Message{}, k.explain("read nf_tables", err))
			return
		}
		for _, m := range s.messages {
			if !yield(m, nil) {
				return
			}
		}
	}
}

// A selection is a reading under way.
type selection struct {
	*dump
	k      *Kernel
	wanted func(ruleset.LoadedTable) bool
	parts  map[tableName]*part
}

// A part is what is in a table.
type part struct {
	since  uint32 // the generation when its reading began
	handle uint64 // of the table
	sets   []ruleset.Message
	names  []string            // of the sets whose elements are read
	listed map[string]*listing // by set
	rules  []ruleset.Message
}

// A listing are the elements of a set.
type listing struct {
	since    uint32
	messages []ruleset.Message
}

// read reads until everything holds at one generation.
func (s *selection) read(ctx context.Context) error {
	sock, err := s.k.dial()
	if err != nil {
		return err
	}
	defer sock.Close()
	s.dump = &dump{sock: sock}
	for end, try := time.Now().Add(readPatience), 0; ; try++ {
		err := s.pass(ctx)
		switch {
		case !errors.Is(err, errChanged) && !errors.Is(err, nlsock.ErrInterrupted):
			return err
		case time.Now().After(end):
			return fmt.Errorf("others changed it for %v without a pause, try again when they are done: %w", readPatience, err)
		}
		if err := pause(ctx, min(try, 5)); err != nil {
			return err
		}
	}
}

// pass reads what is missing, and keeps what still holds when it fails with errChanged.
func (s *selection) pass(ctx context.Context) error {
	s.messages = nil
	if err := s.subscribe(ctx); err != nil {
		return err
	}
	if err := s.all(ctx, nlmsg.NFTMsgGetTable, 0, nil); err != nil {
		return err
	}
	tables, err := s.tables()
	if err != nil {
		return err
	}
	for name, t := range tables {
		if t.Use == 0 || !s.wanted(t) {
			continue
		}
		old := s.parts[name]
		if old != nil && old.handle != t.Handle {
			old = nil
		}
		p, err := s.part(ctx, name, t, old)
		if err != nil {
			return err
		}
		s.parts[name] = p
	}
	now, err := s.frame(ctx)
	if err != nil {
		return err
	}
	if tables, err = s.tables(); err != nil {
		return err
	}
	if err := s.verify(ctx, tables, now); err != nil {
		return err
	}
	s.assemble(tables, now)
	if s.torn() {
		clear(s.parts)
		return errChanged
	}
	return nil
}

// subscribe makes sure that what is committed from now on is known.
func (s *selection) subscribe(ctx context.Context) error {
	s.k.journal.mu.Lock()
	defer s.k.journal.mu.Unlock()
	return s.k.follow(ctx, &dump{sock: s.sock})
}

// tables are those among the messages.
func (s *selection) tables() (map[tableName]ruleset.LoadedTable, error) {
	list := map[tableName]ruleset.LoadedTable{}
	for _, m := range s.messages {
		if m.Type != nlmsg.NFTablesType(nlmsg.NFTMsgNewTable) {
			continue
		}
		one, err := ruleset.Load("", func(yield func(ruleset.Message, error) bool) { yield(m, nil) })
		if err != nil {
			return nil, err
		}
		for _, t := range one.Tables() {
			list[tableName{m.Data[0], t.Name}] = t
		}
	}
	return list, nil
}

// part reads what is in a table, of p what is missing in it.
func (s *selection) part(ctx context.Context, name tableName, t ruleset.LoadedTable, p *part) (*part, error) {
	var err error
	if p == nil {
		p = &part{handle: t.Handle, listed: map[string]*listing{}}
		if p.since, p.sets, err = s.list(ctx, nlmsg.NFTMsgGetSet, name, nlmsg.NFTASetTable, ""); err != nil {
			return nil, err
		}
		if _, p.rules, err = s.list(ctx, nlmsg.NFTMsgGetRule, name, nlmsg.NFTARuleTable, ""); err != nil {
			return nil, err
		}
		if p.names, err = namesOf(p.sets); err != nil {
			return nil, err
		}
		if t.Owner == "" {
			p.names = nil
		}
	}
	for _, set := range p.names {
		if p.listed[set] != nil {
			continue
		}
		l := &listing{}
		if l.since, l.messages, err = s.list(ctx, nlmsg.NFTMsgGetSetElem, name, nlmsg.NFTASetElemListTable, set); err != nil {
			return nil, err
		}
		p.listed[set] = l
	}
	return p, nil
}

// list reads what is in a table, and tells the generation at which that began.
func (s *selection) list(ctx context.Context, what uint16, name tableName, tableAttr uint16, set string) (uint32, []ruleset.Message, error) {
	d := &dump{sock: s.sock}
	since, err := d.generation(ctx)
	if err != nil {
		return 0, nil, err
	}
	d.messages = nil
	err = d.all(ctx, what, name.family, func(b *nlmsg.Builder) {
		b.String(tableAttr, name.name)
		if what == nlmsg.NFTMsgGetSetElem {
			b.String(nlmsg.NFTASetElemListSet, set)
		}
	})
	switch {
	case errors.Is(err, nlsock.ErrInterrupted): // verify knows whether it matters
		err = nil
	case errors.Is(err, unix.ENOENT):
		err = errChanged // deleted since it was listed
	}
	return since, d.messages, err
}

func namesOf(sets []ruleset.Message) (names []string, err error) {
	for _, m := range sets {
		_, _, attrs, err := nlmsg.Netfilter(m.Data)
		if err != nil {
			return nil, err
		}
		_, set, err := setNames(nlmsg.Native(), attrs)
		if err != nil {
			return nil, err
		}
		names = append(names, set)
	}
	return names, nil
}

// frame reads tables, chains and flowtables of one generation.
func (s *selection) frame(ctx context.Context) (generation uint32, err error) {
	s.messages = nil
	before, err := s.generation(ctx)
	if err != nil {
		return 0, err
	}
	for _, what := range []uint16{nlmsg.NFTMsgGetTable, nlmsg.NFTMsgGetChain, nlmsg.NFTMsgGetFlowtable} {
		if err := s.all(ctx, what, 0, nil); err != nil {
			return 0, err
		}
	}
	last := len(s.messages)
	after, err := s.generation(ctx)
	if err != nil {
		return 0, err
	}
	if s.messages = s.messages[:last]; before != after {
		return 0, errChanged
	}
	return after, nil
}

// verify forgets the parts that do not hold at a generation, and fails then, or if one is missing.
func (s *selection) verify(ctx context.Context, tables map[tableName]ruleset.LoadedTable, now uint32) error {
	k := s.k
	k.journal.mu.Lock()
	defer k.journal.mu.Unlock()
	if s.oldest(now) != now {
		if err := k.await(ctx, &dump{sock: s.sock}, now); err != nil {
			return err
		}
	}
	var wrong error
	for name, p := range s.parts {
		t, there := tables[name]
		if !there || t.Handle != p.handle || k.journal.touched(name, p.since, now)&(Shape|Rules) != 0 {
			delete(s.parts, name)
			wrong = errChanged
			continue
		}
		for set, l := range p.listed {
			if k.journal.touchedSet(name, set, l.since, now) {
				delete(p.listed, set)
				wrong = errChanged
			}
		}
	}
	for name, t := range tables {
		if t.Use != 0 && s.wanted(t) && s.parts[name] == nil {
			wrong = errChanged
		}
	}
	return wrong
}

// oldest is the generation at which the reading of what is held began.
func (s *selection) oldest(now uint32) uint32 {
	for _, p := range s.parts {
		if later(now, p.since) {
			now = p.since
		}
	}
	return now
}

// touched is what may have changed of a table. It is called with the lock held.
func (j *journal) touched(name tableName, since, now uint32) Depth {
	switch {
	case since == now:
		return 0
	case !j.knows(since, now):
		return Shape | Rules | Elements
	}
	return j.tables[name].since(since)
}

// touchedSet reports whether the elements of a set may have changed, in a table that kept its shape.
func (j *journal) touchedSet(name tableName, set string, since, now uint32) bool {
	if j.touched(name, since, now)&Elements == 0 {
		return false
	}
	if !j.knows(since, now) {
		return true
	}
	at := j.tables[name].sets[set]
	return at != 0 && later(at, since)
}

// knows reports whether all that was committed between two generations was announced.
func (j *journal) knows(since, now uint32) bool {
	return j.sock != nil && !later(j.from, since) && !later(now, j.at)
}

// assemble puts the messages in the order of Dump. All bear the generation that they hold at.
func (s *selection) assemble(tables map[tableName]ruleset.LoadedTable, now uint32) {
	s.marked = map[tableName]bool{}
	var names []tableName
	for name, t := range tables {
		if s.parts[name] != nil {
			s.marked[name] = t.Owner != ""
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b tableName) int { return int(tables[a].Handle) - int(tables[b].Handle) })
	at := slices.IndexFunc(s.messages, func(m ruleset.Message) bool { return m.Type == nlmsg.NFTablesType(nlmsg.NFTMsgNewFlowtable) })
	if at < 0 {
		at = len(s.messages)
	}
	flowtables := s.messages[at:]
	list := s.messages[:at:at]
	for _, of := range []func(*part) []ruleset.Message{
		func(p *part) []ruleset.Message { return p.sets },
		func(p *part) (all []ruleset.Message) {
			for _, set := range p.names {
				all = append(all, p.listed[set].messages...)
			}
			return all
		},
		func(p *part) []ruleset.Message { return p.rules },
	} {
		for _, name := range names {
			list = append(list, of(s.parts[name])...)
		}
	}
	s.messages = append(list, flowtables...)
	for i := range s.messages {
		s.messages[i].Generation = uint16(now)
	}
}
