package nlmsg

// The hook dump, include/uapi/linux/netfilter/nfnetlink_hook.h (Linux 5.14).
const (
	HookMsgGet = 0 // NFNL_MSG_HOOK_GET, of SubsysHook; the messages of a dump are of the same type

	HookNum      = 1 // NFNLA_HOOK_HOOKNUM, u32 in network byte order
	HookPriority = 2 // as HookNum
	HookDev      = 3
	HookFunction = 4 // NFNLA_HOOK_FUNCTION_NAME, where the kernel has CONFIG_KALLSYMS
	HookModule   = 5
	HookInfo     = 6 // NFNLA_HOOK_CHAIN_INFO: whose the hook is, where the kernel tells

	HookInfoDesc = 1
	HookInfoType = 2 // u32 in network byte order, one of enum nfnl_hook_chaintype

	HookTypeFlowtable = 3 // NFNL_HOOK_TYPE_NFT_FLOWTABLE (Linux 6.17)

	HookDescTable  = 1
	HookDescFamily = 2 // u8
	HookDescName   = 3
)

// HookType is a message type of the hook dump on the wire.
func HookType(msg uint16) uint16 { return SubsysHook<<8 | msg }
