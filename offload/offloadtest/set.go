package offloadtest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

const (
	maxKey   = 64       // NFT_DATA_VALUE_MAXLEN
	setMap   = 1 << 3   // NFT_SET_MAP
	setObj   = 1 << 6   // NFT_SET_OBJECT
	setFlags = 1<<8 - 1 // NFT_SET_*
	setCount = 20       // NFTA_SET_COUNT
)

func (s *set) anonymous() bool { return s.flags&nlmsg.SetAnonymous != 0 }
func (s *set) interval() bool  { return s.flags&nlmsg.SetInterval != 0 }

// count is how many elements a set tells that it has: an interval is one, though both its ends are elements.
func (s *set) count() uint32 {
	n := uint32(len(s.elements))
	if s.interval() {
		n /= 2
	}
	return n
}

func (t *transaction) newSet(r *request) *refusal {
	if bad := r.attrs.checkNames(nlmsg.NFTASetTable, nlmsg.NFTASetName); bad != nil {
		return bad
	}
	name, keyLen, id := r.attrs.get(nlmsg.NFTASetName), r.attrs.get(nlmsg.NFTASetKeyLen), r.attrs.get(nlmsg.NFTASetID)
	if !r.attrs.get(nlmsg.NFTASetTable).there || !name.there || !keyLen.there || !id.there {
		return refuse(eINVAL)
	}
	s := &set{flags: r.attrs.get(nlmsg.NFTASetFlags).u32(), keyLen: keyLen.u32(), fresh: true}
	switch {
	case s.keyLen == 0 || s.keyLen > maxKey:
		return refuse(eINVAL)
	case s.flags&^setFlags != 0, s.flags&(setMap|setObj) != 0: // maps and objects are not imitated
		return refuse(eOPNOTSUPP)
	}
	s.size = r.attrs.get(nlmsg.NFTASetDesc).inside().get(nlmsg.NFTASetDescSize).u32()
	tab, bad := t.tableOf(r, nlmsg.NFTASetTable)
	if bad != nil {
		return bad
	}
	if old := tab.set(name.String()); old != nil {
		switch {
		case r.has(nlmsg.FlagExcl), old.flags != s.flags || old.keyLen != s.keyLen:
			return name.refuse(eEXIST)
		case r.has(nlmsg.FlagReplace):
			return refuse(eOPNOTSUPP)
		}
		t.setIDs[setID{tab, id.u32()}] = old
		t.changed = true
		return nil
	}
	if !r.has(nlmsg.FlagCreate) {
		return refuse(eNOENT)
	}
	s.name = tab.setName(name.String())
	s.handle = tab.nextHandle()
	s.attrs = setBody(r.attrs)
	tab.sets = append(tab.sets, s)
	t.setIDs[setID{tab, id.u32()}] = s
	t.happened(event{msg: nlmsg.NFTMsgNewSet, request: r, table: tab, set: s})
	t.changed = true
	return nil
}

// setName fills in the number of an anonymous set: the first that is free.
func (t *table) setName(pattern string) string {
	before, after, ok := strings.Cut(pattern, "%d")
	for n := 0; ok; n++ {
		if name := fmt.Sprintf("%s%d%s", before, n, after); t.set(name) == nil {
			return name
		}
	}
	return pattern
}

// setOf finds a set by name, or by the number that the batch gave it.
func (t *transaction) setOf(tab *table, name, id attr) *set {
	if s := tab.set(name.String()); s != nil {
		return s
	}
	if !id.there {
		return nil
	}
	s := t.setIDs[setID{tab, id.u32()}]
	if s == nil || !slices.Contains(tab.sets, s) {
		return nil
	}
	return s
}

func (t *transaction) delSet(r *request) *refusal {
	tab, bad := t.tableOf(r, nlmsg.NFTASetTable)
	if bad != nil {
		return bad
	}
	point := r.attrs.get(nlmsg.NFTASetName)
	match := func(s *set) bool { return s.name == point.String() }
	if handle := r.attrs.get(nlmsg.NFTASetHandle); handle.there {
		point = handle
		match = func(s *set) bool { return s.handle == handle.u64() }
	}
	i := slices.IndexFunc(tab.sets, match)
	switch {
	case !point.there:
		return refuse(eINVAL)
	case i < 0 && r.destroy:
		return nil
	case i < 0:
		return point.refuse(eNOENT)
	case tab.uses().sets[tab.sets[i].name] > 0, r.has(flagNonRecursive) && len(tab.sets[i].elements) > 0:
		return point.refuse(eBUSY)
	}
	t.happened(event{msg: nlmsg.NFTMsgDelSet, request: r, table: tab, set: tab.sets[i]})
	tab.sets = slices.Delete(tab.sets, i, i+1)
	t.changed = true
	return nil
}

// setBody is what dumps tell of a set behind its names and handle.
func setBody(sent attrs) []byte {
	b := nlmsg.NewBuilder(nlmsg.Native(), nil)
	writeParts(b, sent, []part{
		{typ: nlmsg.NFTASetFlags, form: unless0}, {typ: nlmsg.NFTASetKeyType, form: always}, {typ: nlmsg.NFTASetKeyLen},
		{typ: nlmsg.NFTASetTimeout}, {typ: nlmsg.NFTASetGCInterval, form: unless0}, {typ: nlmsg.NFTASetPolicy, form: unless0}, {typ: nlmsg.NFTASetUserdata},
	})
	desc := b.PlainNest(nlmsg.NFTASetDesc)
	writeParts(b, sent.get(nlmsg.NFTASetDesc).inside(), []part{{typ: nlmsg.NFTASetDescSize, form: unless0}})
	b.EndNest(desc)
	return b.Bytes()
}
