package ruleset

import (
	"crypto/sha256"
	"fmt"
	"hash"
)

// A fingerprint gathers what tables are.
type fingerprint struct {
	sum   hash.Hash
	whole bool // elements and devices too
}

func newFingerprint() *fingerprint { return &fingerprint{sum: sha256.New()} }

func (f *fingerprint) text() string { return fmt.Sprintf("%x", f.sum.Sum(nil)) }

// add takes one object. Fields are quoted or numbers, so that no two lists read the same.
func (f *fingerprint) add(fields ...any) { fmt.Fprintf(f.sum, "%q\n", fmt.Sprintf("%#v", fields)) }

// fingerprint takes what l holds of one table. Handles are part of it: what is deleted and made again is not the same. Those of
// rules come with a hash of what they do, which tells when one is replaced under its handle.
func (l *Loaded) fingerprint(key tableKey, f *fingerprint) {
	t, ok := l.table(key.family, key.name)
	f.add(string(key.family), key.name, ok, t.Handle, t.Flags, t.Owner)
	if !ok {
		return
	}
	at := func(family Family, table string) bool { return family == key.family && table == key.name }
	for i := range l.chains {
		if c := &l.chains[i]; at(c.Family, c.Table) {
			f.add("chain", c.Name, c.Handle, string(c.Type), string(c.Hook), c.Priority, string(c.Policy))
		}
	}
	for i := range l.sets {
		if s := &l.sets[i]; at(s.Family, s.Table) {
			f.add("set", s.Name, s.Handle, s.Flags, s.KeyType, s.KeyLen)
			if f.whole {
				f.add(s.Elements())
			}
		}
	}
	for i := range l.flowtables {
		if x := &l.flowtables[i]; at(x.Family, x.Table) {
			f.add("flowtable", x.Name, x.Handle, x.Hook, x.Priority, x.Flags)
			if f.whole {
				f.add(x.Devices)
			}
		}
	}
	for i := range l.rules {
		if r := &l.rules[i]; at(r.Family, r.Table) {
			f.add("rule", r.Chain, r.Handle, r.Comment, uint64(r.body))
		}
	}
}
