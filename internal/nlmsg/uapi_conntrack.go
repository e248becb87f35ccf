package nlmsg

// Message types of SubsysCTNetlink (enum cntl_msg_types of include/uapi/linux/netfilter/nfnetlink_conntrack.h). On the wire
// they stand below the subsystem: SubsysCTNetlink<<8 | type.
const (
	CTNew      = 0 // with FlagCreate: a new entry; without: an update
	CTGet      = 1
	CTDelete   = 2
	CTGetStats = 5
)

// Attributes of a connection (enum ctattr_type).
const (
	CTATupleOrig      = 1
	CTATupleReply     = 2
	CTAStatus         = 3
	CTAProtoInfo      = 4
	CTAHelp           = 5
	CTATimeout        = 7
	CTAMark           = 8
	CTACountersOrig   = 9
	CTACountersReply  = 10
	CTAUse            = 11
	CTAID             = 12
	CTAZone           = 18
	CTATimestamp      = 20
	CTALabels         = 22
	CTAMarkMask       = 21
	CTAStatusMask     = 26
	CTATimestampEvent = 27
)

// Attributes of a tuple (enum ctattr_tuple).
const (
	CTATupleIP    = 1
	CTATupleProto = 2
	CTATupleZone  = 3
)

// Addresses of a tuple (enum ctattr_ip).
const (
	CTAIPv4Src = 1
	CTAIPv4Dst = 2
	CTAIPv6Src = 3
	CTAIPv6Dst = 4
)

// The layer-4 part of a tuple (enum ctattr_l4proto).
const (
	CTAProtoNum        = 1
	CTAProtoSrcPort    = 2
	CTAProtoDstPort    = 3
	CTAProtoICMPID     = 4
	CTAProtoICMPType   = 5
	CTAProtoICMPCode   = 6
	CTAProtoICMPv6ID   = 7
	CTAProtoICMPv6Type = 8
	CTAProtoICMPv6Code = 9
)

// Smaller nests: enum ctattr_protoinfo, ctattr_protoinfo_tcp, _dccp, _sctp, ctattr_counters, ctattr_timestamp, ctattr_help, ctattr_stats_global.
const (
	CTAProtoInfoTCP   = 1
	CTAProtoInfoDCCP  = 2
	CTAProtoInfoSCTP  = 3
	CTAProtoInfoState = 1 // the state, in each of the three

	CTACountersPackets = 1
	CTACountersBytes   = 2

	CTATimestampStart = 1
	CTATimestampStop  = 2

	CTAHelpName = 1

	CTAStatsGlobalEntries = 1
)
