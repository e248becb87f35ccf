package ruleset

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// Uses are by how much the counts of those who use chains and flowtables change.
type uses map[usedKey]int

type usedKey struct {
	table tableKey
	object
}

// count counts a rule that comes (1) or goes (-1): for its chain, and for what it refers to.
func (u uses) count(o nlmsg.Order, r *LoadedRule, by int) {
	table := tableKey{r.Family, r.Table}
	u[usedKey{table, object{KindChain, r.Chain}}] += by
	_ = eachReference(o, r.Expressions, func(used object) { u[usedKey{table, used}] += by }) // they were read before
}

// chains are the old ones with their counts of now.
func (u uses) chains(old []LoadedChain) []LoadedChain {
	now := slices.Clone(old)
	for i := range now {
		c := &now[i]
		c.Use = uint32(int(c.Use) + u[usedKey{tableKey{c.Family, c.Table}, object{KindChain, c.Name}}])
	}
	return now
}

// flowtables are the old ones with their counts of now.
func (u uses) flowtables(old []LoadedFlowtable) []LoadedFlowtable {
	now := slices.Clone(old)
	for i := range now {
		f := &now[i]
		f.Use = uint32(int(f.Use) + u[usedKey{tableKey{f.Family, f.Table}, object{KindFlowtable, f.Name}}])
	}
	return now
}

// withUse is a message of a dump with another count. It is the message itself if the count is the same, or it bears none.
func withUse(o nlmsg.Order, data []byte, attr uint16, use uint32) []byte {
	_, _, attrs, err := nlmsg.Netfilter(data)
	for err == nil && len(attrs) > 0 {
		start := len(data) - len(attrs)
		var a nlmsg.Attr
		if a, attrs, err = nlmsg.NextAttr(o, attrs); err != nil || a.Type != attr || len(a.Data) != 4 {
			continue
		}
		if binary.BigEndian.Uint32(a.Data) == use {
			return data
		}
		data = bytes.Clone(data)
		binary.BigEndian.PutUint32(data[start+4:], use)
		return data
	}
	return data
}
