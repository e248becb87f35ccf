package offloadtest

import (
	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/runlock"
)

// by is a batch that comes by a socket which stays open.
func by(socket string, do func(*batch)) step { return step{on: socket, batch: do} }

// ownedRows are tables that belong to a socket.
func ownedRows() []row {
	table := func(flags uint16, name string, tableFlags ...fields) func(*batch) {
		return func(b *batch) {
			b.inet(nlmsg.NFTMsgNewTable, create|flags, append([]fields{str(nlmsg.NFTATableName, name)}, tableFlags...)...)
		}
	}
	owner := num(nlmsg.NFTATableFlags, runlock.FlagOwner)
	owned := by("a", table(nlmsg.FlagExcl, "t", owner))
	flush := func(b *batch) { b.add(nlmsg.NFTMsgDelTable, 0, nlmsg.FamilyUnspec) }
	of := func(name, want string, steps ...step) row {
		return row{name: "owned table: " + name, want: wants{want}, steps: steps}
	}
	return []row{
		of("of a socket that is closed", "ok", step{batch: table(0, "t", owner)}),
		of("made again by its owner", "ok | 1:EEXIST@NFTA_TABLE_NAME", owned, owned),
		of("made by another", "ok | 1:EPERM", owned, by("b", table(nlmsg.FlagExcl, "t", owner))),
		of("touched by another", "ok | 1:EPERM", owned, by("b", table(0, "t"))),
		of("deleted by another", "ok | 1:EPERM@NFTA_TABLE_NAME", owned, by("b", delTable)),
		of("deleted by another, by handle", "ok | 1:EPERM@NFTA_TABLE_HANDLE", owned, by("b", func(b *batch) {
			b.inet(nlmsg.NFTMsgDelTable, 0, num64(nlmsg.NFTATableHandle, 1))
		})),
		of("deleted by its owner", "ok | ok", owned, by("a", delTable)),
		of("all are flushed by another", "ok | ok | ok", owned, by("b", table(0, "u")), by("b", flush)),
		of("all are flushed by its owner", "ok | ok", owned, by("a", flush)),
		of("filled by its owner", "ok | ok", owned, by("a", func(b *batch) { newChain(b, "c") })),
		of("a chain by another", "ok | 1:EPERM@NFTA_CHAIN_TABLE", owned, by("b", func(b *batch) { newChain(b, "c") })),
		of("a set by another", "ok | 1:EPERM@NFTA_SET_TABLE", owned, by("b", func(b *batch) { newSet(b, "s", create, 1, 0) })),
		of("a rule by another", "ok | ok | 1:EPERM@NFTA_RULE_TABLE", owned, by("a", func(b *batch) { newChain(b, "c") }),
			by("b", func(b *batch) { newRule(b, "c", appended, exprs(counter())) })),
		of("the owner closes its socket", "ok | ok", owned, by("b", table(0, "u")), step{close: "a"}),
		of("made after the owner closed its socket", "ok | ok", owned, step{close: "a"}, by("b", table(nlmsg.FlagExcl, "t", owner))),
		of("a table that is there becomes owned", "ok | 1:EOPNOTSUPP", by("a", table(0, "t")), by("a", table(0, "t", owner))),
		of("given up by its owner", "ok | 1:EOPNOTSUPP", owned, by("a", table(0, "t", num(nlmsg.NFTATableFlags, 0)))),
		of("made and deleted in a batch", "ok", by("a", func(b *batch) {
			table(nlmsg.FlagExcl, "t", owner)(b)
			table(nlmsg.FlagExcl, "u", owner)(b)
			delTable(b)
		})),
	}
}
