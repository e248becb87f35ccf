package runlock

import "github.com/go-fastpath/fastpath/internal/nlmsg"

// A Batch is one transaction.
type Batch struct {
	Bytes    []byte
	Messages int // with the frames
	// MakesRequest and MakesLock are the numbers of the messages that fail where somebody asks for the lock, or holds it: EPERM where a
	// socket owns that table, EEXIST where none does. 0 is none.
	MakesRequest, MakesLock int
}

// Take takes the lock, if nobody holds it and nobody else asks for it, and withdraws the own request. A generation other than 0 is the one
// that the ruleset has to be at. Whoever does not ask makes the request and deletes it in the same transaction: only so all is decided
// by the kernel, at once.
func Take(owner, comment string, asking bool, generation uint32) Batch {
	b := begin(generation)
	request := 0
	if !asking {
		request = b.create(Request(owner), comment)
	}
	lock := b.create(Table(owner), comment)
	b.message(nlmsg.NFTMsgDelTable, 0)
	b.String(nlmsg.NFTATableName, Request(owner))
	b.End()
	return Batch{b.end(), b.messages, request, lock}
}

// Ask makes the request.
func Ask(owner, comment string) Batch {
	b := begin(0)
	request := b.create(Request(owner), comment)
	return Batch{b.end(), b.messages, request, 0}
}

type builder struct {
	*nlmsg.Builder
	messages int // so far; that of the next, too
}

func begin(generation uint32) *builder {
	b := &builder{nlmsg.NewBuilder(nlmsg.Native(), nil), 1}
	b.BeginNetfilter(nlmsg.NFTypeBatchBegin, nlmsg.FlagRequest, 0, 0, nlmsg.SubsysNFTables)
	if generation != 0 {
		b.Uint32BE(nlmsg.NFBatchGenID, generation)
	}
	b.End()
	return b
}

func (b *builder) message(typ, flags uint16) {
	b.BeginNetfilter(nlmsg.NFTablesType(typ), nlmsg.FlagRequest|nlmsg.FlagAck|flags, uint32(b.messages), nlmsg.FamilyInet, 0)
	b.messages++
}

// create makes an owned table that must not exist, and returns the message's number.
func (b *builder) create(name, comment string) int {
	number := b.messages
	b.message(nlmsg.NFTMsgNewTable, nlmsg.FlagCreate|nlmsg.FlagExcl)
	b.String(nlmsg.NFTATableName, name)
	b.Uint32BE(nlmsg.NFTATableFlags, FlagOwner)
	udata := append([]byte{nlmsg.UdataTableComment, byte(len(comment) + 1)}, comment...)
	b.Data(nlmsg.NFTATableUserdata, append(udata, 0))
	b.End()
	return number
}

func (b *builder) end() []byte {
	b.BeginNetfilter(nlmsg.NFTypeBatchEnd, nlmsg.FlagRequest, uint32(b.messages), 0, nlmsg.SubsysNFTables)
	b.messages++
	b.End()
	return b.Bytes()
}
