package offloadtest

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

const (
	addElems = nlmsg.NFTMsgNewSetElem
	delElems = nlmsg.NFTMsgDelSetElem
)

// end is the first key behind an interval.
func end(key string) fields {
	return nest(nlmsg.NFTAListElem, num(nlmsg.NFTASetElemFlags, nlmsg.SetElemIntervalEnd), nest(nlmsg.NFTASetElemKey, raw(nlmsg.NFTADataValue, key)))
}

// open begins an interval that ends with the greatest key.
func open(key string) fields {
	return nest(nlmsg.NFTAListElem, nest(nlmsg.NFTASetElemKey, raw(nlmsg.NFTADataValue, key)), raw(nlmsg.NFTASetElemUserdata, "\x01\x04\x01\x00\x00\x00"))
}

const zero = "\x00\x00\x00\x00"

// changeElementRows change sets element by element.
func changeElementRows() []row {
	marks := func(b *batch) {
		newTable(b)
		newSet(b, "s", create, 1, 0)
		elements(b, addElems, create, "s", 0, elem("aaaa"), elem("bbbb"))
	}
	add := func(b *batch, list ...fields) { elements(b, addElems, create, "s", 0, list...) }
	del := func(b *batch, list ...fields) { elements(b, delElems, 0, "s", 0, list...) }
	flush := func(b *batch) {
		b.inet(delElems, 0, str(nlmsg.NFTASetElemListTable, "t"), str(nlmsg.NFTASetElemListSet, "s"))
	}
	change := func(name, want string, do func(*batch)) row {
		return same("change set: "+name, "ok | "+want, marks, do)
	}
	missing := "1:ENOENT@NFTA_LIST_ELEM"
	return []row{
		change("an element twice in a message", "ok", func(b *batch) { add(b, elem("cccc"), elem("cccc")) }),
		change("deleted and added again", "ok", func(b *batch) { del(b, elem("aaaa")); add(b, elem("aaaa")) }),
		change("added and deleted again", "ok", func(b *batch) { add(b, elem("cccc")); del(b, elem("cccc")) }),
		change("deleted twice", "2:ENOENT@NFTA_LIST_ELEM", func(b *batch) { del(b, elem("aaaa")); del(b, elem("aaaa")) }),
		change("deleted twice in a message", missing, func(b *batch) { del(b, elem("aaaa"), elem("aaaa")) }),
		change("the second of two is missing", missing, func(b *batch) { del(b, elem("aaaa"), elem("zzzz")) }),
		change("flushed", "ok", flush),
		change("flushed twice", "ok", func(b *batch) { flush(b); flush(b) }),
		change("flushed and filled again", "ok", func(b *batch) { flush(b); add(b, elem("bbbb"), elem("cccc")) }),
		change("flushed, then an element deleted", "2:ENOENT@NFTA_LIST_ELEM", func(b *batch) { flush(b); del(b, elem("aaaa")) }),
		change("an end in a set without intervals", "1:EINVAL@NFTA_LIST_ELEM", func(b *batch) { add(b, end("cccc")) }),
		change("made again with other flags", "1:EEXIST@NFTA_SET_NAME", func(b *batch) { newSet(b, "s", create, 1, nlmsg.SetInterval) }),
		change("made again", "ok", func(b *batch) { newSet(b, "s", create, 1, 0) }),
		change("deleted and made again", "ok", func(b *batch) {
			delSet(b, "s")
			newSet(b, "s", create, 3, nlmsg.SetInterval)
			elements(b, addElems, create, "s", 3, end(zero), elem("aaaa"), end("bbbb"))
		}),
		change("deleted twice ", "2:ENOENT@NFTA_SET_NAME", func(b *batch) { delSet(b, "s"); delSet(b, "s") }),
		change("by handle", "ok", func(b *batch) { b.inet(nlmsg.NFTMsgDelSet, 0, str(1, "t"), num64(nlmsg.NFTASetHandle, 1)) }),
		perKernel("change set: elements of a deleted one", wants{"ok | 2:ENOENT", "ok | 2:ENOENT@NFTA_SET_ELEM_LIST_SET", "ok | 2:ENOENT@NFTA_SET_ELEM_LIST_SET"}, marks, func(b *batch) { delSet(b, "s"); del(b, elem("aaaa")) }),
		same("change set: full", "ok | 1:ENFILE@NFTA_LIST_ELEM", func(b *batch) {
			newTable(b)
			b.inet(nlmsg.NFTMsgNewSet, create, str(1, "t"), str(2, "s"), num(nlmsg.NFTASetKeyLen, 4), num(nlmsg.NFTASetID, 1),
				nest(nlmsg.NFTASetDesc, num(nlmsg.NFTASetDescSize, 2)))
			elements(b, addElems, create, "s", 0, elem("aaaa"), elem("bbbb"))
		}, func(b *batch) { add(b, elem("cccc")) }),
		same("change set: room is made", "ok | ok", func(b *batch) {
			newTable(b)
			b.inet(nlmsg.NFTMsgNewSet, create, str(1, "t"), str(2, "s"), num(nlmsg.NFTASetKeyLen, 4), num(nlmsg.NFTASetID, 1),
				nest(nlmsg.NFTASetDesc, num(nlmsg.NFTASetDescSize, 2)))
			elements(b, addElems, create, "s", 0, elem("aaaa"))
		}, func(b *batch) { add(b, elem("cccc")) }),
	}
}

// changeIntervalRows change sets of intervals, both ends of each.
func changeIntervalRows() []row {
	spans := func(b *batch) {
		newTable(b)
		newSet(b, "s", create, 1, nlmsg.SetInterval)
		elements(b, addElems, create, "s", 1, end(zero), elem("bbbb"), end("dddd"), elem("ffff"), end("hhhh"), open("xxxx"))
	}
	add := func(b *batch, list ...fields) { elements(b, addElems, create, "s", 0, list...) }
	del := func(b *batch, list ...fields) { elements(b, delElems, 0, "s", 0, list...) }
	change := func(name, want string, do func(*batch)) row {
		return same("change intervals: "+name, "ok | "+want, spans, do)
	}
	const exists, missing = "1:EEXIST@NFTA_LIST_ELEM", "1:ENOENT@NFTA_LIST_ELEM"
	return []row{
		change("one more", "ok", func(b *batch) { add(b, elem("jjjj"), end("kkkk")) }),
		change("one more below", "ok", func(b *batch) { add(b, elem("aaaa"), end("aaab")) }),
		change("adjacent to two", "ok", func(b *batch) { add(b, elem("dddd"), end("ffff")) }),
		change("one that is there", "ok", func(b *batch) { add(b, elem("bbbb"), end("dddd")) }),
		change("one goes", "ok", func(b *batch) { del(b, elem("bbbb"), end("dddd")) }),
		change("the open one goes", "ok", func(b *batch) { del(b, elem("xxxx")) }),
		change("all go", "ok", func(b *batch) { del(b, end(zero), elem("bbbb"), end("dddd"), elem("ffff"), end("hhhh"), elem("xxxx")) }),
		change("one goes and comes back", "ok", func(b *batch) {
			del(b, elem("bbbb"), end("dddd"))
			add(b, elem("bbbb"), end("dddd"))
		}),
		change("one grows", "ok", func(b *batch) {
			del(b, elem("bbbb"), end("dddd"))
			add(b, elem("bbbb"), end("eeee"))
		}),
		change("one shrinks", "ok", func(b *batch) {
			del(b, elem("bbbb"), end("dddd"))
			add(b, elem("bbbb"), end("cccc"))
		}),
		change("one is split", "ok", func(b *batch) {
			del(b, elem("bbbb"), end("dddd"))
			add(b, elem("bbbb"), end("cccc"), elem("ccce"), end("dddd"))
		}),
		change("two are joined", "ok", func(b *batch) {
			del(b, elem("bbbb"), end("dddd"), elem("ffff"), end("hhhh"))
			add(b, elem("bbbb"), end("hhhh"))
		}),
		change("one begins within another", exists, func(b *batch) { add(b, elem("cccc"), end("eeee")) }),
		change("one ends within another", exists, func(b *batch) { add(b, elem("aaaa"), end("cccc")) }),
		change("one around another", exists, func(b *batch) { add(b, elem("aaaa"), end("eeee")) }),
		change("one within another", exists, func(b *batch) { add(b, elem("bbbc"), end("bbbd")) }),
		change("one that begins like another", exists, func(b *batch) { add(b, elem("bbbb"), end("cccc")) }),
		change("one that ends like another", exists, func(b *batch) { add(b, elem("cccc"), end("dddd")) }),
		change("one that ends like another, begins before", "ok", func(b *batch) { add(b, elem("aaaa"), end("dddd")) }),
		perKernel("change intervals: one around two that begins like one", wants{"ok | ok", "ok | ok", "ok | " + exists}, spans, func(b *batch) { add(b, elem("bbbb"), end("hhhh")) }),
		change("one around two, from their outer ends", "ok", func(b *batch) { add(b, elem("aaab"), end("hhhh")) }),
		change("two starts, and one end that is there", exists, func(b *batch) { add(b, elem("eeee"), elem("eeef"), end("eeeg")) }),
		change("an open one that begins before the open one", "ok", func(b *batch) { add(b, open("wwww")) }),
		change("an end at the beginning of another", "ok", func(b *batch) { add(b, elem("aaaa"), end("bbbb")) }),
		change("a beginning at the end of another", "ok", func(b *batch) { add(b, elem("dddd"), end("eeee")) }),
		change("an end goes", "ok", func(b *batch) { del(b, end("dddd")) }),
		change("a beginning goes", "ok", func(b *batch) { del(b, elem("bbbb")) }),
		change("an end goes, another comes", "ok", func(b *batch) { del(b, end("dddd")); add(b, end("eeee")) }),
		change("a beginning goes, another comes", "ok", func(b *batch) { del(b, elem("bbbb")); add(b, elem("aaaa")) }),
		change("one within the open one", exists, func(b *batch) { add(b, elem("yyyy"), end("zzzz")) }),
		change("a missing one goes", missing, func(b *batch) { del(b, elem("jjjj"), end("kkkk")) }),
		change("goes with another end", missing, func(b *batch) { del(b, elem("bbbb"), end("cccc")) }),
		change("one goes twice", "2:ENOENT@NFTA_LIST_ELEM", func(b *batch) {
			del(b, elem("bbbb"), end("dddd"))
			del(b, elem("bbbb"), end("dddd"))
		}),
		change("comes and goes", "ok", func(b *batch) {
			add(b, elem("jjjj"), end("kkkk"))
			del(b, elem("jjjj"), end("kkkk"))
		}),
		change("the gap before the first again", "ok", func(b *batch) { add(b, end(zero)) }),
		change("one from zero on", "ok", func(b *batch) {
			del(b, end(zero))
			add(b, elem(zero), end("aaaa"))
		}),
		change("one from zero on, the gap stays", "ok", func(b *batch) { add(b, elem(zero), end("aaaa")) }),
		change("flushed and filled", "ok", func(b *batch) {
			b.inet(delElems, 0, str(nlmsg.NFTASetElemListTable, "t"), str(nlmsg.NFTASetElemListSet, "s"))
			add(b, elem("cccc"), end("eeee"))
		}),
		change("ends in another message", "ok", func(b *batch) { add(b, elem("jjjj")); add(b, end("kkkk")) }),
		change("begins and never ends", "ok", func(b *batch) { add(b, elem("jjjj")) }),
		change("ends before it begins", "1:EEXIST@NFTA_LIST_ELEM", func(b *batch) { add(b, end("kkkk")); add(b, elem("jjjj")) }),
		change("begins within one without an end", exists, func(b *batch) { add(b, elem("jjjj"), elem("kkkk")) }),
		change("begins in another message", "ok", func(b *batch) { del(b, elem("bbbb")); del(b, end("dddd")) }),
	}
}

// A size that no int of 32 bits holds is room all the same. No row: kernels store the size of a tree doubled, and cut at 32 bits.
func TestRoomForBillions(t *testing.T) {
	r := same("room", "ok | ok", func(b *batch) {
		newTable(b)
		b.inet(nlmsg.NFTMsgNewSet, create, str(1, "t"), str(2, "s"), num(nlmsg.NFTASetKeyLen, 4), num(nlmsg.NFTASetID, 1),
			nest(nlmsg.NFTASetDesc, num(nlmsg.NFTASetDescSize, 1<<32-1)))
	}, func(b *batch) { elements(b, addElems, create, "s", 0, elem("aaaa")) })
	assert.Equal(t, "ok | ok", r.run(t, newFake(t, linux72)).answers)
}
