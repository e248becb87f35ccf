package nlmsg

// Message types and flags of include/uapi/linux/netlink.h.
const (
	TypeNoop    = 1
	TypeError   = 2
	TypeDone    = 3
	TypeOverrun = 4

	FlagRequest      = 0x1
	FlagMulti        = 0x2
	FlagAck          = 0x4
	FlagEcho         = 0x8
	FlagDumpIntr     = 0x10 // the dump was interrupted by a change: read again
	FlagDumpFiltered = 0x20
	FlagReplace      = 0x100
	FlagExcl         = 0x200
	FlagCreate       = 0x400
	FlagAppend       = 0x800
	FlagDump         = 0x300
	FlagCapped       = 0x100 // in an ack: the failed request is not echoed
	FlagAckTLVs      = 0x200 // in an ack: extended-ack attributes follow

	AttrNested   = 1 << 15
	AttrTypeMask = 0x3fff
)

// Extended acknowledgement attributes (enum nlmsgerr_attrs).
const (
	ErrAttrMsg      = 1
	ErrAttrOffset   = 2
	ErrAttrCookie   = 3
	ErrAttrPolicy   = 4
	ErrAttrMissType = 5
)

// include/uapi/linux/netfilter/nfnetlink.h.
const (
	NFNetlinkV0 = 0
	NFNetlinkV1 = 1 // not in the header: what ctnetlink_del_conntrack takes for one that means the family (Linux 5.3)

	SubsysCTNetlink = 1
	SubsysNFTables  = 10
	SubsysHook      = 12

	NFTypeBatchBegin = 16
	NFTypeBatchEnd   = 17

	NFBatchGenID = 1 // NFNL_BATCH_GENID, u32 in network byte order, in BATCH_BEGIN

	GroupConntrackNew     = 1
	GroupConntrackUpdate  = 2
	GroupConntrackDestroy = 3
	GroupNFTables         = 7
)

// Address families as nfgenmsg carries them (include/uapi/linux/netfilter.h, NFPROTO_*).
const (
	FamilyUnspec = 0
	FamilyInet   = 1
	FamilyIPv4   = 2
	FamilyARP    = 3
	FamilyNetdev = 5
	FamilyBridge = 7
	FamilyIPv6   = 10
)
