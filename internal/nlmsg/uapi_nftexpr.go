package nlmsg

// Expressions (enum nft_expr_attributes), data (enum nft_data_attributes) and verdicts (enum nft_verdict_attributes) of
// include/uapi/linux/netfilter/nf_tables.h.
const (
	NFTAExprName = 1
	NFTAExprData = 2

	NFTADataValue   = 1
	NFTADataVerdict = 2

	NFTAVerdictCode    = 1
	NFTAVerdictChain   = 2
	NFTAVerdictChainID = 3
)

// Verdicts (include/uapi/linux/netfilter.h, enum nft_verdicts). The negative ones are nf_tables' own.
const (
	VerdictDrop   = 0
	VerdictAccept = 1
	VerdictJump   = 0xfffffffd // -3
	VerdictGoto   = 0xfffffffc // -4
	VerdictReturn = 0xfffffffb // -5
)

// Registers (enum nft_registers).
const (
	RegVerdict = 0
	Reg1       = 1 // 16 bytes
	Reg2       = 2 // 16 bytes
)

// Loads: nft_meta, nft_ct, nft_rt and nft_payload.
const (
	NFTAMetaDreg = 1
	NFTAMetaKey  = 2
	NFTAMetaSreg = 3

	NFTACTDreg      = 1
	NFTACTKey       = 2
	NFTACTDirection = 3
	NFTACTSreg      = 4

	NFTARTDreg = 1
	NFTARTKey  = 2

	NFTAPayloadDreg   = 1
	NFTAPayloadBase   = 2
	NFTAPayloadOffset = 3
	NFTAPayloadLen    = 4
	NFTAPayloadSreg   = 5
)

// Transformations: nft_bitwise, nft_byteorder, nft_immediate.
const (
	NFTABitwiseSreg = 1
	NFTABitwiseDreg = 2
	NFTABitwiseLen  = 3
	NFTABitwiseMask = 4
	NFTABitwiseXor  = 5
	NFTABitwiseOp   = 6

	NFTAByteorderSreg = 1
	NFTAByteorderDreg = 2
	NFTAByteorderOp   = 3
	NFTAByteorderLen  = 4
	NFTAByteorderSize = 5

	ByteorderHton = 1

	NFTAImmediateDreg = 1
	NFTAImmediateData = 2
)

// Tests: nft_cmp, nft_range, nft_lookup.
const (
	NFTACmpSreg = 1
	NFTACmpOp   = 2
	NFTACmpData = 3

	CmpEq  = 0
	CmpNeq = 1
	CmpLt  = 2
	CmpLte = 3
	CmpGt  = 4
	CmpGte = 5

	NFTARangeSreg = 1
	NFTARangeOp   = 2
	NFTARangeFrom = 3
	NFTARangeTo   = 4

	RangeEq  = 0
	RangeNeq = 1

	NFTALookupSet   = 1
	NFTALookupSreg  = 2
	NFTALookupDreg  = 3
	NFTALookupSetID = 4
	NFTALookupFlags = 5

	LookupInverted = 1 << 0
)

// Actions: nft_counter, nft_limit, nft_log, nft_nat, nft_masq, nft_flow_offload.
const (
	NFTACounterBytes   = 1
	NFTACounterPackets = 2

	NFTALimitRate  = 1
	NFTALimitUnit  = 2
	NFTALimitBurst = 3
	NFTALimitType  = 4
	NFTALimitFlags = 5

	LimitPackets  = 0
	LimitInverted = 1 << 0

	NFTALogGroup      = 1
	NFTALogPrefix     = 2
	NFTALogSnaplen    = 3
	NFTALogQthreshold = 4
	NFTALogLevel      = 5
	NFTALogFlags      = 6

	NFTANATType        = 1
	NFTANATFamily      = 2
	NFTANATRegAddrMin  = 3
	NFTANATRegAddrMax  = 4
	NFTANATRegProtoMin = 5
	NFTANATRegProtoMax = 6
	NFTANATFlags       = 7

	NATSource      = 0
	NATDestination = 1

	// NF_NAT_RANGE_* of include/uapi/linux/netfilter/nf_nat.h.
	NATRangeMapIPs         = 1 << 0
	NATRangeProtoSpecified = 1 << 1
	NATRangeFullyRandom    = 1 << 4

	NFTAMasqFlags       = 1
	NFTAMasqRegProtoMin = 2
	NFTAMasqRegProtoMax = 3

	NFTAFlowTableName = 1
)
