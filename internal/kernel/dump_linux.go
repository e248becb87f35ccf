package kernel

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/nlsock"
	"github.com/go-fastpath/fastpath/ruleset"
)

// Dump reads nf_tables of all families at one generation: NEWGEN first, then tables, chains, sets, elements, rules and
// flowtables. Elements are those of tables that bear an owner's mark: others' lists may be long, and nobody here touches them.
// It reads everything before it yields anything, so that what it yields belongs together; it starts again when someone
// commits meanwhile. An error is the last pair.
func (k *Kernel) Dump(ctx context.Context) iter.Seq2[ruleset.Message, error] {
	return k.messages(ctx, (*dump).everything)
}

// Flowtables reads NEWGEN and the flowtables of all families at one generation, as Dump does.
func (k *Kernel) Flowtables(ctx context.Context) iter.Seq2[ruleset.Message, error] {
	return k.messages(ctx, func(d *dump, ctx context.Context) error { return d.all(ctx, nlmsg.NFTMsgGetFlowtable, 0, nil) })
}

// Tables reads NEWGEN, the tables and the flowtables of all families at one generation, as Dump does.
func (k *Kernel) Tables(ctx context.Context) iter.Seq2[ruleset.Message, error] {
	return k.messages(ctx, func(d *dump, ctx context.Context) error {
		if err := d.all(ctx, nlmsg.NFTMsgGetTable, 0, nil); err != nil {
			return err
		}
		return d.all(ctx, nlmsg.NFTMsgGetFlowtable, 0, nil)
	})
}

// GenerationID is the ruleset's generation: every commit of anyone in the namespace moves it.
func (k *Kernel) GenerationID(ctx context.Context) (uint32, error) {
	sock, err := k.dial()
	if err != nil {
		return 0, err
	}
	defer sock.Close()
	generation, err := (&dump{sock: sock}).generation(ctx)
	return generation, k.explain("read nf_tables", err)
}

// messages are what one pass collects, at one generation.
func (k *Kernel) messages(ctx context.Context, collect func(*dump, context.Context) error) iter.Seq2[ruleset.Message, error] {
	return func(yield func(ruleset.Message, error) bool) {
		var d *dump
		err := retry(ctx, func() (err error) {
			d, err = k.read(ctx, collect)
			return err
		})
		if err != nil {
			yield(ruleset.Message{}, k.explain("read nf_tables", err))
			return
		}
		for _, m := range d.messages {
			if !yield(m, nil) {
				return
			}
		}
	}
}

// A dump collects the messages of one pass.
type dump struct {
	sock     *nlsock.Socket
	messages []ruleset.Message
	marked   map[tableName]bool // tables that bear anybody's mark; only what is in them is looked into
}

// read makes one pass. It fails with errChanged if the generation moved meanwhile.
func (k *Kernel) read(ctx context.Context, collect func(*dump, context.Context) error) (*dump, error) {
	sock, err := k.dial()
	if err != nil {
		return nil, err
	}
	defer sock.Close()
	d := &dump{sock: sock}
	before, err := d.generation(ctx)
	if err != nil {
		return nil, err
	}
	if err := collect(d, ctx); err != nil {
		return nil, err
	}
	last := len(d.messages)
	after, err := d.generation(ctx)
	if err != nil {
		return nil, err
	}
	d.messages = d.messages[:last]
	if before != after || d.torn() {
		return nil, errChanged
	}
	return d, nil
}

// everything is what Dump reads, in its order.
func (d *dump) everything(ctx context.Context) error {
	for _, what := range []uint16{nlmsg.NFTMsgGetTable, nlmsg.NFTMsgGetChain, nlmsg.NFTMsgGetSet} {
		if err := d.all(ctx, what, 0, nil); err != nil {
			return err
		}
	}
	if err := d.elements(ctx); err != nil {
		return err
	}
	for _, what := range []uint16{nlmsg.NFTMsgGetRule, nlmsg.NFTMsgGetFlowtable} {
		if err := d.all(ctx, what, 0, nil); err != nil {
			return err
		}
	}
	return nil
}

// generation asks for the ruleset's generation and keeps the answer.
func (d *dump) generation(ctx context.Context) (uint32, error) {
	o := nlmsg.Native()
	b := nlmsg.NewBuilder(o, nil)
	b.BeginNetfilter(nlmsg.NFTablesType(nlmsg.NFTMsgGetGen), nlmsg.FlagRequest|nlmsg.FlagAck, 0, 0, 0)
	b.End()
	answer, err := d.sock.Do(ctx, b.Bytes())
	if errors.Is(err, unix.EINVAL) { // nfnetlink's answer where nobody registered the subsystem
		return 0, fmt.Errorf("%w by this kernel: it has no nf_tables (CONFIG_NF_TABLES); load the module nf_tables: %w", errors.ErrUnsupported, err)
	}
	if err != nil {
		return 0, err
	}
	for _, m := range answer {
		if m.Type != nlmsg.NFTablesType(nlmsg.NFTMsgNewGen) {
			continue
		}
		if err := d.keep(m, m.Data); err != nil {
			return 0, err
		}
		return generationOf(o, m.Data)
	}
	return 0, fmt.Errorf("%w: the kernel answers GETGEN without a generation", nlmsg.ErrMalformed)
}

func generationOf(o nlmsg.Order, data []byte) (uint32, error) {
	_, _, attrs, err := nlmsg.Netfilter(data)
	for err == nil && len(attrs) > 0 {
		var a nlmsg.Attr
		if a, attrs, err = nlmsg.NextAttr(o, attrs); err == nil && a.Type == nlmsg.NFTAGenID {
			return a.Uint32BE()
		}
	}
	return 0, errors.Join(err, fmt.Errorf("%w: NEWGEN without NFTA_GEN_ID", nlmsg.ErrMalformed))
}

// all dumps one kind of object, of every family when family is 0.
func (d *dump) all(ctx context.Context, what uint16, family byte, filter func(*nlmsg.Builder)) error {
	b := nlmsg.NewBuilder(nlmsg.Native(), nil)
	b.BeginNetfilter(nlmsg.NFTablesType(what), nlmsg.FlagRequest|nlmsg.FlagDump, 0, family, 0)
	if filter != nil {
		filter(b)
	}
	b.End()
	for m, err := range d.sock.Dump(ctx, b.Bytes()) {
		if err != nil {
			return err
		}
		if err := d.keep(m, append([]byte(nil), m.Data...)); err != nil {
			return err
		}
	}
	return nil
}

func (d *dump) keep(m nlmsg.Message, data []byte) error {
	_, generation, _, err := nlmsg.Netfilter(data)
	if err != nil {
		return err
	}
	d.messages = append(d.messages, ruleset.Message{Type: m.Type, Flags: m.Flags, Generation: generation, Data: data})
	return nil
}

// elements dumps the elements of the sets that were read, in marked tables; the kernel gives them set by set only.
func (d *dump) elements(ctx context.Context) error {
	o := nlmsg.Native()
	var err error
	if d.marked, err = d.markedTables(); err != nil {
		return err
	}
	for _, m := range d.messages {
		if m.Type != nlmsg.NFTablesType(nlmsg.NFTMsgNewSet) {
			continue
		}
		family, _, attrs, err := nlmsg.Netfilter(m.Data)
		if err != nil {
			return err
		}
		table, set, err := setNames(o, attrs)
		if err != nil {
			return err
		}
		if !d.marked[tableName{family, table}] {
			continue
		}
		err = d.all(ctx, nlmsg.NFTMsgGetSetElem, family, func(b *nlmsg.Builder) {
			b.String(nlmsg.NFTASetElemListTable, table)
			b.String(nlmsg.NFTASetElemListSet, set)
		})
		if errors.Is(err, unix.ENOENT) {
			return errChanged // deleted since it was listed
		}
		if err != nil {
			return err
		}
	}
	return nil
}

type tableName struct {
	family byte
	name   string
}

// markedTables are the tables, among those that were read, that bear anybody's mark.
func (d *dump) markedTables() (map[tableName]bool, error) {
	marked := map[tableName]bool{}
	for _, m := range d.messages {
		if m.Type != nlmsg.NFTablesType(nlmsg.NFTMsgNewTable) {
			continue
		}
		family, _, _, err := nlmsg.Netfilter(m.Data)
		if err != nil {
			return nil, err
		}
		one, err := ruleset.Load("", func(yield func(ruleset.Message, error) bool) { yield(m, nil) })
		if err != nil {
			return nil, err
		}
		for _, t := range one.Tables() {
			marked[tableName{family, t.Name}] = t.Owner != ""
		}
	}
	return marked, nil
}

func setNames(o nlmsg.Order, attrs []byte) (table, set string, err error) {
	err = nlmsg.EachAttr(o, attrs, func(a nlmsg.Attr) error {
		switch a.Type {
		case nlmsg.NFTASetTable:
			table = a.String()
		case nlmsg.NFTASetName:
			set = a.String()
		}
		return nil
	})
	return table, set, err
}
