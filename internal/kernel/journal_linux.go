package kernel

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/nlsock"
	"github.com/go-fastpath/fastpath/ruleset"
)

// A journal tells which tables commits changed. It has a subscription from the moment when it is
// first asked; what is announced waits in the socket's buffer until it is asked again.
type journal struct {
	buffer int // of the subscription, in bytes
	mu     sync.Mutex
	sock   *nlsock.Socket // nil before the first question, and where it failed
	from   uint32         // the commits behind this one are known
	at     uint32         // up to this one
	coming map[changed]bool
	tables map[tableName]*touched
}

// A changed thing is a table, or a set whose elements changed.
type changed struct {
	table tableName
	what  Depth
	set   string
}

// A Depth says what of a table a commit changed. They are bits.
type Depth uint8

// The depths.
const (
	Shape    Depth = 1 << iota // it came or went, or its chains, sets, flowtables or objects did or changed
	Rules                      // its rules
	Elements                   // elements of its sets
)

// A touched table was last changed by these commits, 0 is none.
type touched struct {
	shape, rules, elements uint32
	sets                   map[string]uint32 // whose elements changed
}

// A TableChange says that commits changed a table. It is a plain value.
type TableChange struct {
	Family ruleset.Family
	Name   string
	What   Depth
	Sets   []string // whose elements changed, sorted; other ones of a table that changed its shape may be missing
}

const (
	// journalPatience is for an announcement that has to come: its commit is in force.
	journalPatience = 5 * time.Second
	// maxTouched bounds how many tables are remembered.
	maxTouched = 10_000
)

// ChangedSince tells the ruleset's generation, and which tables commits changed since an earlier
// one. It is not known of generations from before the first question, and from before
// announcements were lost.
func (k *Kernel) ChangedSince(ctx context.Context, generation uint32) (now uint32, changes []TableChange, known bool, err error) {
	sock, err := k.dial()
	if err != nil {
		return 0, nil, false, err
	}
	defer sock.Close()
	d := &dump{sock: sock}
	k.journal.mu.Lock()
	defer k.journal.mu.Unlock()
	if err := k.follow(ctx, d); err != nil {
		return 0, nil, false, err
	}
	if now, err = d.generation(ctx); err != nil {
		return 0, nil, false, k.explain("read nf_tables", err)
	}
	if now == generation {
		return now, nil, true, nil
	}
	if err := k.await(ctx, d, now); err != nil {
		return 0, nil, false, err
	}
	changes, known = k.journal.since(generation, now)
	return now, changes, known, nil
}

// since is called with the lock held.
func (j *journal) since(generation, now uint32) (changes []TableChange, known bool) {
	if !j.knows(generation, now) {
		return nil, false
	}
	for name, t := range j.tables {
		if what := t.since(generation); what != 0 {
			changes = append(changes, TableChange{ruleset.Family(nlmsg.FamilyName(name.family)), name.name, what, t.setsSince(generation)})
		}
	}
	return changes, true
}

func (t *touched) since(generation uint32) (what Depth) {
	if t == nil {
		return 0
	}
	for _, c := range []struct {
		at   uint32
		what Depth
	}{{t.shape, Shape}, {t.rules, Rules}, {t.elements, Elements}} {
		if c.at != 0 && later(c.at, generation) {
			what |= c.what
		}
	}
	return what
}

func (t *touched) setsSince(generation uint32) (sets []string) {
	for set, at := range t.sets {
		if later(at, generation) {
			sets = append(sets, set)
		}
	}
	slices.Sort(sets)
	return sets
}

// later reports whether generation a came after b. They go round.
func later(a, b uint32) bool { return int32(a-b) > 0 }

// follow reads what is announced by now, after it subscribed if it has to. It is called with the lock of the
// journal held. A subscription that fails leaves the journal ignorant, which is no error.
func (k *Kernel) follow(ctx context.Context, d *dump) error {
	j := &k.journal
	if j.sock == nil {
		sock, err := k.ns.Dial(unix.NETLINK_NETFILTER, nlsock.Config{Groups: []uint32{nlmsg.GroupNFTables}, ReadBuffer: k.journal.buffer, Quiet: true})
		if err == nil {
			err = k.ns.Tie(sock)
		}
		if err != nil {
			return ctx.Err()
		}
		j.sock = sock
		return k.beginJournal(ctx, d)
	}
	for m, err := range j.sock.Queued(ctx) {
		if done, err := k.note(ctx, d, m, err); done || err != nil {
			return err
		}
	}
	return nil
}

// await reads announcements until that of a commit, which is in force and therefore announced soon.
func (k *Kernel) await(ctx context.Context, d *dump, generation uint32) error {
	j := &k.journal
	if j.sock == nil || !later(generation, j.at) {
		return nil
	}
	soon, cancel := context.WithTimeout(ctx, journalPatience)
	defer cancel()
	for m, err := range j.sock.Events(soon) {
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			return nil // nobody knows
		}
		if done, err := k.note(ctx, d, m, err); done || err != nil || !later(generation, j.at) {
			return err
		}
	}
	return nil
}

// beginJournal is for a subscription that stands, and one that lost something.
func (k *Kernel) beginJournal(ctx context.Context, d *dump) error {
	if err := k.barrier(ctx); err != nil {
		return err
	}
	now, err := d.generation(ctx)
	if err != nil {
		return k.explain("read nf_tables", err)
	}
	j := &k.journal
	j.from, j.at = now, now
	j.coming, j.tables = map[changed]bool{}, map[tableName]*touched{}
	return nil
}

// barrier waits for the end of a commit under way. A batch without an end is one that the kernel takes back,
// and it begins when no other is worked on.
func (k *Kernel) barrier(ctx context.Context) error {
	sock, err := k.dial()
	if err != nil {
		return err
	}
	defer sock.Close()
	b := nlmsg.NewBuilder(nlmsg.Native(), nil)
	b.BeginNetfilter(nlmsg.NFTypeBatchBegin, nlmsg.FlagRequest, 0, 0, nlmsg.SubsysNFTables)
	b.End()
	_, err = sock.Commit(ctx, b.Bytes(), 1)
	if errors.Is(err, nlsock.ErrUnanswered) || errors.Is(err, nlsock.ErrOverrun) {
		return nil
	}
	return err
}

// note works one announcement in. It is done where the socket failed: the next question makes another.
func (k *Kernel) note(ctx context.Context, d *dump, m nlmsg.Message, err error) (done bool, _ error) {
	j := &k.journal
	switch {
	case errors.Is(err, nlsock.ErrOverrun):
		return false, k.beginJournal(ctx, d)
	case err != nil && ctx.Err() != nil:
		return true, ctx.Err()
	case err != nil:
		_ = k.ns.Untie(j.sock)
		j.sock = nil
		return true, nil
	case m.Type == nlmsg.NFTablesType(nlmsg.NFTMsgNewGen):
		generation, err := generationOf(nlmsg.Native(), m.Data)
		if err != nil {
			return false, k.beginJournal(ctx, d)
		}
		j.commit(generation)
	case m.Type>>8 == nlmsg.SubsysNFTables:
		j.object(m)
	}
	return false, nil
}

// object notes that a transaction, whose end is still to be announced, changes something.
func (j *journal) object(m nlmsg.Message) {
	family, _, attrs, err := nlmsg.Netfilter(m.Data)
	if err != nil {
		return
	}
	const tableAttr, setAttr = 1, 2 // NFTA_TABLE_NAME, NFTA_CHAIN_TABLE and so on; NFTA_SET_ELEM_LIST_SET
	c := changed{what: Shape}
	switch m.Type & 0xff {
	case nlmsg.NFTMsgNewRule, nlmsg.NFTMsgDelRule, destroyRule:
		c.what = Rules
	case nlmsg.NFTMsgNewSetElem, nlmsg.NFTMsgDelSetElem, destroySetElem:
		c.what = Elements
	}
	c.table.family = family
	for len(attrs) > 0 {
		a, rest, err := nlmsg.NextAttr(nlmsg.Native(), attrs)
		if err != nil {
			break
		}
		attrs = rest
		switch {
		case a.Type == tableAttr:
			c.table.name = a.String()
		case a.Type == setAttr && c.what == Elements:
			c.set = a.String()
		case a.Type > setAttr: // they come in order
			attrs = nil
		}
	}
	j.coming[c] = true
}

// The messages that delete what need not be there (Linux 6.3).
const (
	destroyRule    = 28
	destroySetElem = 30
)

// commit ends a transaction.
func (j *journal) commit(generation uint32) {
	coming := j.coming
	j.coming = map[changed]bool{}
	switch {
	case !later(generation, j.at): // from before the subscription stood
		return
	case generation != j.at+1 && !(j.at == 1<<32-1 && generation == 1), len(j.tables) > maxTouched:
		j.from, j.at, j.tables = generation, generation, map[tableName]*touched{}
		return
	}
	j.at = generation
	for _, shape := range []bool{true, false} { // a change of the shape makes forget the sets, and not those of the same commit
		for c := range coming {
			if (c.what == Shape) == shape {
				j.touch(c, generation)
			}
		}
	}
}

func (j *journal) touch(c changed, generation uint32) {
	t := j.tables[c.table]
	if t == nil {
		t = &touched{}
		j.tables[c.table] = t
	}
	t.note(c, generation)
}

func (t *touched) note(c changed, generation uint32) {
	switch c.what {
	case Shape:
		t.shape, t.sets = generation, nil // who read it before reads all of it again
	case Rules:
		t.rules = generation
	case Elements:
		t.elements = generation
		if t.sets == nil {
			t.sets = map[string]uint32{}
		}
		t.sets[c.set] = generation
	}
}
