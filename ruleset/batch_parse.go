package ruleset

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// ParseBatch reads what Batch.MarshalBinary wrote, for printing and checking; nil is this machine's byte order. Each message is
// an Operation of its own, with verb, kind and names; what it adds is not decoded and shows in WriteText alone. Errors say
// which message cannot be read.
func ParseBatch(order binary.ByteOrder, data []byte) (*Batch, error) {
	b := &Batch{bytes: slices.Clone(data), order: nlmsg.OrderOf(order)}
	for rest := b.bytes; len(rest) > 0; {
		n := len(b.starts)
		m, more, err := nlmsg.NextMessage(b.order, rest)
		if err != nil {
			return nil, fmt.Errorf("message %d of the batch: %w", n, err)
		}
		if !inPlace(m, n, len(more) == 0) {
			return nil, fmt.Errorf("message %d of the batch: %w: its type %#x or its number %d does not belong there", n, nlmsg.ErrMalformed, m.Type, m.Seq)
		}
		b.starts = append(b.starts, uint32(len(b.bytes)-len(rest)))
		rest = more
		if m.Type == nlmsg.NFTypeBatchBegin || m.Type == nlmsg.NFTypeBatchEnd {
			b.owners = append(b.owners, -1)
			continue
		}
		op, err := operationOf(b.order, m)
		if err != nil {
			return nil, fmt.Errorf("message %d of the batch: %w", n, err)
		}
		b.owners = append(b.owners, int32(len(b.operations)))
		b.operations = append(b.operations, op)
	}
	if len(b.starts) < 2 {
		return nil, fmt.Errorf("%w: a batch of %d messages has no beginning and end", nlmsg.ErrMalformed, len(b.starts))
	}
	return b, nil
}

// inPlace reports whether message n may stand where it stands: BATCH_BEGIN first, BATCH_END last, its index as its number.
func inPlace(m nlmsg.Message, n int, last bool) bool {
	begin, end := m.Type == nlmsg.NFTypeBatchBegin, m.Type == nlmsg.NFTypeBatchEnd
	return m.Seq == uint32(n) && begin == (n == 0) && end == (n > 0 && last)
}

// batchKind is what a message that adds is about, and, but for tables, the attribute of Operation.Name.
func batchKind(msg uint16) (kind Kind, name uint16) {
	switch msg {
	case nlmsg.NFTMsgNewTable:
		return KindTable, 0
	case nlmsg.NFTMsgNewChain:
		return KindChain, nlmsg.NFTAChainName
	case nlmsg.NFTMsgNewRule:
		return KindRule, nlmsg.NFTARuleChain
	case nlmsg.NFTMsgNewSet:
		return KindSet, nlmsg.NFTASetName
	case nlmsg.NFTMsgNewSetElem:
		return KindElement, nlmsg.NFTASetElemListSet
	case nlmsg.NFTMsgNewObj:
		return "object", 2 // NFTA_OBJ_NAME
	case nlmsg.NFTMsgNewFlowtable:
		return KindFlowtable, nlmsg.NFTAFlowtableName
	}
	return "", 0
}

// operationOf reads verb, kind and names of one message.
func operationOf(o nlmsg.Order, m nlmsg.Message) (Operation, error) {
	family, _, attrs, err := nlmsg.Netfilter(m.Data)
	if err != nil {
		return Operation{}, err
	}
	msg := m.Type & 0xff
	verb := VerbAdd
	kind, name := batchKind(msg)
	if kind == "" && msg >= 2 { // NFT_MSG_DEL... follows NFT_MSG_NEW... and NFT_MSG_GET...
		verb = VerbDelete
		kind, name = batchKind(msg - 2)
	}
	if kind == "" || m.Type>>8 != nlmsg.SubsysNFTables {
		return Operation{}, fmt.Errorf("%w: type %#x changes nothing that this library makes", nlmsg.ErrMalformed, m.Type)
	}
	switch {
	case verb == VerbDelete:
	case m.Flags&nlmsg.FlagExcl != 0:
		verb = VerbCreate
	case kind == KindRule && m.Flags&nlmsg.FlagReplace != 0:
		verb = VerbReplace
	case kind == KindRule && m.Flags&nlmsg.FlagAppend == 0:
		verb = VerbInsert
	}
	op := Operation{Verb: verb, Kind: kind, Family: familyName(family)}
	err = nlmsg.EachAttr(o, attrs, func(a nlmsg.Attr) error {
		switch {
		case a.Type == nlmsg.NFTATableName: // the table is attribute 1 of them all
			op.Table = a.String()
		case a.Type == name:
			op.Name = a.String()
		}
		return nil
	})
	return op, err
}
