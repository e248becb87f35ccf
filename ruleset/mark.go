package ruleset

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/go-fastpath/fastpath/internal/mark"
)

// An IgnoredMark is a table that is named or commented as one of ours and says what we would not have written: someone else made it. It is taken for
// nothing, and stays. It is a plain value.
type IgnoredMark struct {
	Family Family `json:"family"`
	Table  string `json:"table"`
	Why    string `json:"why"`
}

// String says which table it is and what to do; it holds no control characters.
func (i IgnoredMark) String() string {
	table := i.Table
	if mark.CheckText("", table) != nil {
		table = strconv.QuoteToASCII(table)
	}
	said := fmt.Sprintf("table %s %s is ignored: it looks like one of ours, and %s; look who made it", i.Family, table, i.Why)
	if !i.Family.known() {
		return said
	}
	return said + fmt.Sprintf(", and delete it with `nft delete table %s %s`", i.Family, table)
}

// IgnoredMarks are the tables that look like ours and are not, of all owners, in the order of Tables.
func (l *Loaded) IgnoredMarks() []IgnoredMark {
	if l == nil {
		return nil
	}
	return slices.Clone(l.ignored)
}

// maxIgnored bounds how many ignored tables a plan's warnings name: anyone may make many.
const maxIgnored = 3

// ignoredWarnings are what to know of them in a plan.
func (l *Loaded) ignoredWarnings() []string {
	if l == nil {
		return nil
	}
	var list []string
	for n, i := range l.ignored {
		if n == maxIgnored {
			return append(list, fmt.Sprintf("%d more tables are ignored that look like ours", len(l.ignored)-n))
		}
		list = append(list, i.String())
	}
	return list
}

// readTables puts the tables in order, and judges each.
func (l *Loaded) readTables() {
	slices.SortFunc(l.tables, compareTables)
	for i := range l.tables {
		l.readTable(&l.tables[i])
	}
}

// readTable judges what a table says of an owner: a mark, a table of ours, or nothing.
func (l *Loaded) readTable(t *LoadedTable) {
	ignore := func(why string) {
		l.ignored = append(l.ignored, IgnoredMark{t.Family, t.Name, why})
		t.Owner, t.Note = "", ""
	}
	if kind := mark.OfTable(t.Name); kind != nil {
		m, err := kind.Read(t.Name, t.Owner, t.Note)
		switch {
		case t.Family != Inet:
			ignore("marks are tables of the family inet")
		case err != nil:
			ignore(err.Error())
		default:
			l.marks = append(l.marks, m)
		}
		return
	}
	if !t.Family.known() && t.Owner != "" {
		ignore("this library knows no such family")
	} else if err := checkOwner(t.Owner); err != nil {
		ignore(err.Error())
	} else if err := checkNote(t.Note); err != nil {
		ignore(err.Error())
	}
}

// marksOf are the marks of a kind of an owner ("" is DefaultOwner).
func (l *Loaded) marksOf(kind *mark.Kind, owner string) []mark.Mark {
	if l == nil {
		return nil
	}
	var list []mark.Mark
	for _, m := range l.marks {
		if m.Kind == kind && m.Owner == cmp.Or(owner, DefaultOwner) {
			list = append(list, m)
		}
	}
	return list
}

// MarkedOwners are the names of those whose marks there are (Off, Unconfirmed, ChangedSettings), each once, sorted. They need not have tables.
func (l *Loaded) MarkedOwners() []string {
	if l == nil {
		return nil
	}
	var names []string
	for _, m := range l.marks {
		names = append(names, m.Owner)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// mark makes a mark that there is not. A table that has its name and is none gives way: the name is ours. What Read would not take is an error of the batch.
func (p *Plan) mark(have *Loaded, reason string, kind *mark.Kind, owner string, values ...string) {
	text, err := kind.Text(owner, values...)
	name := kind.Table(owner, values...)
	if _, there := have.table(Inet, name); there && !slices.ContainsFunc(have.marks, func(m mark.Mark) bool { return m.Table == name }) {
		p.unmark(name, "it has the name of a mark and is none")
	}
	p.operations = append(p.operations, Operation{
		Verb: VerbCreate, Kind: KindTable, Family: Inet, Table: name, Reason: reason, object: &newTable{owner: text, note: mark.Original, err: err},
	})
}

// unmark deletes a mark's table.
func (p *Plan) unmark(table, reason string) {
	p.operations = append(p.operations, Operation{Verb: VerbDelete, Kind: KindTable, Family: Inet, Table: table, Reason: reason})
}
