package nlmsg

// Messages of include/uapi/linux/netfilter/nf_tables.h, enum nf_tables_msg_types. The type on the wire is NFTablesType of them.
const (
	NFTMsgNewTable         = 0
	NFTMsgGetTable         = 1
	NFTMsgDelTable         = 2
	NFTMsgNewChain         = 3
	NFTMsgGetChain         = 4
	NFTMsgDelChain         = 5
	NFTMsgNewRule          = 6
	NFTMsgGetRule          = 7
	NFTMsgDelRule          = 8
	NFTMsgNewSet           = 9
	NFTMsgGetSet           = 10
	NFTMsgDelSet           = 11
	NFTMsgNewSetElem       = 12
	NFTMsgGetSetElem       = 13
	NFTMsgDelSetElem       = 14
	NFTMsgNewGen           = 15
	NFTMsgGetGen           = 16
	NFTMsgTrace            = 17
	NFTMsgNewObj           = 18
	NFTMsgGetObj           = 19
	NFTMsgDelObj           = 20
	NFTMsgNewFlowtable     = 22
	NFTMsgGetFlowtable     = 23
	NFTMsgDelFlowtable     = 24
	NFTMsgDestroyFlowtable = 32 // Linux 6.3
)

// NFTablesType is the netlink message type of an nf_tables message.
func NFTablesType(msg uint16) uint16 { return SubsysNFTables<<8 | msg }

// Tables (enum nft_table_attributes), generations (enum nft_gen_attributes), lists (enum nft_list_attributes).
const (
	NFTATableName     = 1
	NFTATableFlags    = 2
	NFTATableUse      = 3
	NFTATableHandle   = 4
	NFTATableUserdata = 6
	NFTATableOwner    = 7

	NFTAGenID       = 1
	NFTAGenProcPID  = 2
	NFTAGenProcName = 3

	NFTAListElem = 1
)

// Chains (enum nft_chain_attributes) and their hooks (enum nft_hook_attributes).
const (
	NFTAChainTable    = 1
	NFTAChainHandle   = 2
	NFTAChainName     = 3
	NFTAChainHook     = 4
	NFTAChainPolicy   = 5
	NFTAChainUse      = 6
	NFTAChainType     = 7
	NFTAChainCounters = 8
	NFTAChainFlags    = 10
	NFTAChainID       = 11
	NFTAChainUserdata = 12

	NFTAHookHookNum  = 1
	NFTAHookPriority = 2
	NFTAHookDev      = 3
	NFTAHookDevs     = 4
)

// Netfilter hooks of the families ip, ip6 and inet (enum nf_inet_hooks), and of devices (enum nf_dev_hooks).
const (
	HookPrerouting  = 0
	HookInput       = 1
	HookForward     = 2
	HookOutput      = 3
	HookPostrouting = 4

	HookNetdevIngress = 0
)

// Flowtables (enum nft_flowtable_attributes, nft_flowtable_hook_attributes, nft_devices_attributes, nft_flowtable_flags).
const (
	NFTAFlowtableTable  = 1
	NFTAFlowtableName   = 2
	NFTAFlowtableHook   = 3
	NFTAFlowtableUse    = 4
	NFTAFlowtableHandle = 5
	NFTAFlowtableFlags  = 7

	NFTAFlowtableHookNum      = 1
	NFTAFlowtableHookPriority = 2
	NFTAFlowtableHookDevs     = 3

	NFTADeviceName   = 1
	NFTADevicePrefix = 2 // Linux 6.16

	FlowtableHWOffload = 1 << 0
	FlowtableCounter   = 1 << 1

	// MaxDevices is what one message may name (API: nf_tables_parse_netdev_hooks answers EFBIG for more).
	MaxDevices = 255
)

// Rules (enum nft_rule_attributes).
const (
	NFTARuleTable       = 1
	NFTARuleChain       = 2
	NFTARuleHandle      = 3
	NFTARuleExpressions = 4
	NFTARuleCompat      = 5
	NFTARulePosition    = 6
	NFTARuleUserdata    = 7
	NFTARuleID          = 9
	NFTARulePositionID  = 10
	NFTARuleChainID     = 11
)

// Sets (enum nft_set_attributes, nft_set_desc_attributes, nft_set_flags).
const (
	NFTASetTable       = 1
	NFTASetName        = 2
	NFTASetFlags       = 3
	NFTASetKeyType     = 4
	NFTASetKeyLen      = 5
	NFTASetDataType    = 6
	NFTASetDataLen     = 7
	NFTASetPolicy      = 8
	NFTASetDesc        = 9
	NFTASetID          = 10
	NFTASetTimeout     = 11
	NFTASetGCInterval  = 12
	NFTASetUserdata    = 13
	NFTASetObjType     = 15
	NFTASetHandle      = 16
	NFTASetExpr        = 17
	NFTASetExpressions = 18

	NFTASetDescSize   = 1
	NFTASetDescConcat = 2

	SetAnonymous = 1 << 0
	SetConstant  = 1 << 1
	SetInterval  = 1 << 2
)

// Set elements (enum nft_set_elem_list_attributes, nft_set_elem_attributes, nft_set_elem_flags).
const (
	NFTASetElemListTable    = 1
	NFTASetElemListSet      = 2
	NFTASetElemListElements = 3
	NFTASetElemListSetID    = 4

	NFTASetElemKey         = 1
	NFTASetElemData        = 2
	NFTASetElemFlags       = 3
	NFTASetElemTimeout     = 4
	NFTASetElemExpiration  = 5
	NFTASetElemUserdata    = 6
	NFTASetElemExpr        = 7
	NFTASetElemObjref      = 9
	NFTASetElemKeyEnd      = 10
	NFTASetElemExpressions = 11

	SetElemIntervalEnd = 1 << 0
)

// User data is a list of type, length and value, a byte each for the first two, that only user space reads (libnftnl,
// include/libnftnl/udata.h).
const (
	UdataTableComment     = 0
	UdataRuleComment      = 0
	UdataSetKeyByteOrder  = 0
	UdataSetMergeElements = 4
	UdataSetElemFlags     = 1

	UdataElemIntervalOpen = 1 << 0 // nft: the interval ends at the greatest value
)
