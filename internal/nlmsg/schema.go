package nlmsg

import "strconv"

// A space is a set of attribute types: those of one message, or of one nest in it.
type space uint8

const (
	spaceUnknown space = iota
	spaceBatch
	spaceTable
	spaceGen
	spaceChain
	spaceChainHook
	spaceCounter
	spaceFlowtable
	spaceFlowtableHook
	spaceDevice
	spaceRule
	spaceList // of expressions
	spaceExpr
	spaceSet
	spaceSetDesc
	spaceElemList
	spaceElemItem // of elements
	spaceElem
	spaceData
	spaceVerdict
	spaceMeta
	spaceCT
	spaceRT
	spacePayload
	spaceBitwise
	spaceByteorder
	spaceImmediate
	spaceCmp
	spaceRange
	spaceLookup
	spaceLimit
	spaceLog
	spaceNAT
	spaceMasq
	spaceFlow
)

// A form is how an attribute's data reads.
type form uint8

const (
	asBytes form = iota
	asString
	asU8
	asU16
	asU32
	asS32
	asX32 // flags, in hexadecimal
	asU64
	asNest
)

// An attrInfo names one attribute. inner is the space of a nest.
type attrInfo struct {
	name  string
	form  form
	inner space
}

// messageSpace is the space of a message's attributes, and its name; "" if this package does not know it.
func messageSpace(typ uint16) (name string, s space) {
	switch typ {
	case NFTypeBatchBegin:
		return "NFNL_MSG_BATCH_BEGIN", spaceBatch
	case NFTypeBatchEnd:
		return "NFNL_MSG_BATCH_END", spaceBatch
	}
	if typ>>8 != SubsysNFTables {
		return "", spaceUnknown
	}
	switch typ & 0xff {
	case NFTMsgNewTable:
		return "NFT_MSG_NEWTABLE", spaceTable
	case NFTMsgDelTable:
		return "NFT_MSG_DELTABLE", spaceTable
	case NFTMsgNewChain:
		return "NFT_MSG_NEWCHAIN", spaceChain
	case NFTMsgDelChain:
		return "NFT_MSG_DELCHAIN", spaceChain
	case NFTMsgNewRule:
		return "NFT_MSG_NEWRULE", spaceRule
	case NFTMsgDelRule:
		return "NFT_MSG_DELRULE", spaceRule
	case NFTMsgNewSet:
		return "NFT_MSG_NEWSET", spaceSet
	case NFTMsgDelSet:
		return "NFT_MSG_DELSET", spaceSet
	case NFTMsgNewSetElem:
		return "NFT_MSG_NEWSETELEM", spaceElemList
	case NFTMsgDelSetElem:
		return "NFT_MSG_DELSETELEM", spaceElemList
	case NFTMsgNewGen:
		return "NFT_MSG_NEWGEN", spaceGen
	case NFTMsgNewFlowtable:
		return "NFT_MSG_NEWFLOWTABLE", spaceFlowtable
	case NFTMsgDelFlowtable:
		return "NFT_MSG_DELFLOWTABLE", spaceFlowtable
	}
	return "", spaceUnknown
}

// exprSpace is the space of an expression's data.
func exprSpace(name string) space {
	switch name {
	case "meta":
		return spaceMeta
	case "ct":
		return spaceCT
	case "rt":
		return spaceRT
	case "payload":
		return spacePayload
	case "bitwise":
		return spaceBitwise
	case "byteorder":
		return spaceByteorder
	case "immediate":
		return spaceImmediate
	case "cmp":
		return spaceCmp
	case "range":
		return spaceRange
	case "lookup":
		return spaceLookup
	case "counter":
		return spaceCounter
	case "limit":
		return spaceLimit
	case "log":
		return spaceLog
	case "nat":
		return spaceNAT
	case "masq":
		return spaceMasq
	case "flow_offload":
		return spaceFlow
	}
	return spaceUnknown
}

// attr describes an attribute; expr is the name of the expression whose attributes these are. An empty name is unknown.
func (s space) attr(typ uint16, expr string) attrInfo {
	if s == spaceElemItem && typ != NFTAListElem { // the kernel does not look at this type, and nft counts with it
		return attrInfo{"NFTA_LIST_ELEM(" + strconv.Itoa(int(typ)) + ")", asNest, spaceElem}
	}
	var list []attrInfo
	if s >= spaceMeta {
		list = s.exprAttrs()
	} else if list = s.objectAttrs(); list == nil {
		list = s.partAttrs()
	}
	if int(typ) >= len(list) {
		return attrInfo{}
	}
	a := list[typ]
	if s == spaceExpr && typ == NFTAExprData {
		if a.inner = exprSpace(expr); a.inner == spaceUnknown {
			a.form = asBytes
		}
	}
	return a
}
