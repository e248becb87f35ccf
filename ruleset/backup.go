package ruleset

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// A Backup is what some tables held, as a kernel gave it, so that it can be put back. Its JSON form is for another process on the
// same machine: numbers in it are in the machine's byte order. Immutable and safe for concurrent use.
type Backup struct {
	owner  string
	tables []tableKey
	old    *Loaded // of those tables alone
}

// Backup keeps what have holds of the plan's owner, and of any other table that the plan touches. It is an error if one of them could not be put back: a table
// without a mark is not read in full, stateful objects are not read at all, and a table can belong to another program's socket.
func (p *Plan) Backup(have *Loaded) (*Backup, error) {
	var keys []tableKey
	for _, t := range have.owned(p.Owner()) {
		keys = append(keys, tableKey{t.Family, t.Name})
	}
	for i := range p.operations {
		key := tableKey{p.operations[i].Family, p.operations[i].Table}
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	for _, key := range keys {
		if err := have.restorable(key); err != nil {
			return nil, err
		}
	}
	return newBackup(p.Owner(), keys, slices.Collect(have.Messages()))
}

// restorable tells why a table could not be put back.
func (l *Loaded) restorable(key tableKey) error {
	t, ok := l.table(key.family, key.name)
	if !ok {
		return nil
	}
	why := ""
	switch known := l.parts[key].known(); {
	case t.Owner == "":
		why = "it bears no owner's mark and is not read in full; adopt it without a confirmation"
	case int(t.Use) > known:
		why = fmt.Sprintf("it holds %d stateful objects that someone else put there, which are not read; delete them first", int(t.Use)-known)
	case t.Flags&tableOwned != 0:
		why = "it belongs to another program's socket"
	default:
		return nil
	}
	return fmt.Errorf("table %s %s could not be put back: %s", key.family, key.name, why)
}

// Flags of tables (enum nft_table_flags).
const (
	tableDormant = 1 // NFT_TABLE_F_DORMANT
	tableOwned   = 2 // NFT_TABLE_F_OWNER
)

// known is how many chains, sets and flowtables were read of a table.
func (p *loadedParts) known() int {
	if p == nil {
		return 0
	}
	return len(p.chains) + len(p.sets) + len(p.flowtables)
}

// newBackup takes from a dump what belongs to some tables.
func newBackup(owner string, tables []tableKey, messages []Message) (*Backup, error) {
	o := nlmsg.Native()
	old, err := Load(owner, func(yield func(Message, error) bool) {
		for _, m := range messages {
			if m.Type != nlmsg.NFTablesType(nlmsg.NFTMsgNewGen) && !slices.Contains(tables, tableOf(o, m)) {
				continue
			}
			if !yield(m, nil) {
				return
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("keep what the tables held: %w", err)
	}
	return &Backup{owner: owner, tables: tables, old: old}, nil
}

// tableOf names the table that a message of a dump is about: all kinds name it in the attribute of the same number.
func tableOf(o nlmsg.Order, m Message) tableKey {
	key := setOf(o, m, nlmsg.NFTATableName, nlmsg.NFTATableName+1<<8)
	return tableKey{key.family, key.table}
}

// backupJSON is the JSON form of a Backup.
type backupJSON struct {
	Owner    string      `json:"owner"`
	Tables   []tableJSON `json:"tables"`
	Messages []Message   `json:"messages"`
}

type tableJSON struct {
	Family Family `json:"family"`
	Name   string `json:"name"`
}

// MarshalJSON writes the tables' names and the messages of the dump.
func (b *Backup) MarshalJSON() ([]byte, error) {
	j := backupJSON{Owner: b.owner, Messages: b.old.messages}
	for _, key := range b.tables {
		j.Tables = append(j.Tables, tableJSON{key.family, key.name})
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON wrote. It is for a new Backup that nobody else knows yet.
func (b *Backup) UnmarshalJSON(data []byte) error {
	var j backupJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	var keys []tableKey
	for _, t := range j.Tables {
		keys = append(keys, tableKey{t.Family, t.Name})
	}
	read, err := newBackup(j.Owner, keys, j.Messages)
	if err != nil {
		return err
	}
	*b = *read
	return nil
}

// Fingerprint of what have holds in the tables: it changes with every change of a table, a chain or a rule, and when a set or a
// flowtable is replaced. Counters, the elements of named sets and the devices of flowtables are no part of it: programs, packets
// and devices that come and go change them at any time.
func (b *Backup) Fingerprint(have *Loaded) string {
	sum := newFingerprint()
	for _, key := range b.tables {
		have.fingerprint(key, sum)
	}
	return sum.text()
}

// unchanged reports whether a table is as it was, elements and devices included.
func (b *Backup) unchanged(key tableKey, have *Loaded) bool {
	was, is := newFingerprint(), newFingerprint()
	was.whole, is.whole = true, true
	b.old.fingerprint(key, was)
	have.fingerprint(key, is)
	return was.text() == is.text()
}
