package offloadtest

import (
	"slices"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/runlock"
)

// Flags that are common to the deletions.
const flagNonRecursive = 0x100 // NLM_F_NONREC

const tableFlags = 7 // dormant, owner, persist

// ownedByOther reports whether another socket than the one that the batch came by owns the table: it may only be read then.
func (t *transaction) ownedByOther(x *table) bool { return x.socket != 0 && x.socket != t.socket }

func (t *transaction) newTable(r *request) *refusal {
	if bad := r.attrs.checkNames(nlmsg.NFTATableName); bad != nil {
		return bad
	}
	if bad := r.attrs.checkLengths(4, nlmsg.NFTATableFlags); bad != nil {
		return bad
	}
	name, flags := r.attrs.get(nlmsg.NFTATableName), r.attrs.get(nlmsg.NFTATableFlags).u32()
	switch {
	case t.model >= linux72 && flags&^tableFlags != 0:
		return &refusal{eINVAL, r.attrs.get(nlmsg.NFTATableFlags).at, "reserved bit set"}
	case !name.there:
		return refuse(eINVAL)
	}
	if old := t.state.table(r.family, name.String()); old != nil {
		switch {
		case t.ownedByOther(old):
			return refuse(ePERM)
		case r.has(nlmsg.FlagExcl):
			return name.refuse(eEXIST)
		case r.has(nlmsg.FlagReplace), flags&^tableFlags != 0:
			return refuse(eOPNOTSUPP)
		}
		if old.flags == flags || !r.attrs.get(nlmsg.NFTATableFlags).there {
			return nil // a comment is ignored
		}
		if (old.flags^flags)&runlock.FlagOwner != 0 {
			return refuse(eOPNOTSUPP)
		}
		if old.turned || old.unhooked {
			return refuse(eINVAL)
		}
		old.flags, old.turned, t.changed = flags, true, true
		return nil
	}
	if flags&^tableFlags != 0 {
		return refuse(eOPNOTSUPP)
	}
	t.tableHandles++
	fresh := &table{
		family: r.family, name: name.String(), handle: t.tableHandles, flags: flags,
		userdata: slices.Clone(r.attrs.get(nlmsg.NFTATableUserdata).Data),
	}
	if flags&runlock.FlagOwner != 0 {
		fresh.socket = t.socket
	}
	t.state.tables = append(t.state.tables, fresh)
	t.changed = true
	return nil
}

// delTable takes everything that is in the table with it. Without a name it is all tables, of one family or of every.
func (t *transaction) delTable(r *request) *refusal {
	name, handle := r.attrs.get(nlmsg.NFTATableName), r.attrs.get(nlmsg.NFTATableHandle)
	if r.family == 0 || !name.there && !handle.there {
		t.deleteTables(func(x *table) bool { return (r.family == 0 || x.family == r.family) && !t.ownedByOther(x) })
		return nil
	}
	match, point := func(x *table) bool { return x.family == r.family && x.name == name.String() }, name
	if handle.there {
		match, point = func(x *table) bool { return x.family == r.family && x.handle == handle.u64() }, handle
	}
	i := slices.IndexFunc(t.state.tables, match)
	switch {
	case i < 0 && r.destroy:
		return nil
	case i < 0:
		return point.refuse(eNOENT)
	case t.ownedByOther(t.state.tables[i]):
		return point.refuse(ePERM)
	case r.has(flagNonRecursive) && t.state.tables[i].use() > 0:
		return refuse(eBUSY)
	}
	t.deleteTables(match)
	return nil
}

func (t *transaction) deleteTables(match func(*table) bool) {
	n := len(t.state.tables)
	t.state.tables = slices.DeleteFunc(t.state.tables, match)
	t.changed = t.changed || len(t.state.tables) < n
}

// use is what dumps call so: chains, flowtables, and sets with a name of their own.
func (t *table) use() uint32 {
	n := uint32(len(t.chains) + len(t.flowtables))
	for _, s := range t.sets {
		if !s.anonymous() {
			n++
		}
	}
	return n
}
