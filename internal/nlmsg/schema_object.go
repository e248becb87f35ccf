package nlmsg

// objectAttrs are the attributes of messages, by type.
func (s space) objectAttrs() []attrInfo {
	switch s {
	case spaceBatch:
		return []attrInfo{NFBatchGenID: {"NFNL_BATCH_GENID", asU32, 0}}
	case spaceGen:
		return []attrInfo{
			NFTAGenID: {"NFTA_GEN_ID", asU32, 0}, NFTAGenProcPID: {"NFTA_GEN_PROC_PID", asU32, 0},
			NFTAGenProcName: {"NFTA_GEN_PROC_NAME", asString, 0},
		}
	case spaceTable:
		return []attrInfo{
			NFTATableName: {"NFTA_TABLE_NAME", asString, 0}, NFTATableFlags: {"NFTA_TABLE_FLAGS", asX32, 0},
			NFTATableUse: {"NFTA_TABLE_USE", asU32, 0}, NFTATableHandle: {"NFTA_TABLE_HANDLE", asU64, 0},
			NFTATableUserdata: {"NFTA_TABLE_USERDATA", asBytes, 0}, NFTATableOwner: {"NFTA_TABLE_OWNER", asU32, 0},
		}
	case spaceChain:
		return []attrInfo{
			NFTAChainTable: {"NFTA_CHAIN_TABLE", asString, 0}, NFTAChainHandle: {"NFTA_CHAIN_HANDLE", asU64, 0},
			NFTAChainName: {"NFTA_CHAIN_NAME", asString, 0}, NFTAChainHook: {"NFTA_CHAIN_HOOK", asNest, spaceChainHook},
			NFTAChainPolicy: {"NFTA_CHAIN_POLICY", asU32, 0}, NFTAChainUse: {"NFTA_CHAIN_USE", asU32, 0},
			NFTAChainType: {"NFTA_CHAIN_TYPE", asString, 0}, NFTAChainCounters: {"NFTA_CHAIN_COUNTERS", asNest, spaceCounter},
			NFTAChainFlags: {"NFTA_CHAIN_FLAGS", asX32, 0}, NFTAChainID: {"NFTA_CHAIN_ID", asU32, 0},
			NFTAChainUserdata: {"NFTA_CHAIN_USERDATA", asBytes, 0},
		}
	case spaceFlowtable:
		return []attrInfo{
			NFTAFlowtableTable: {"NFTA_FLOWTABLE_TABLE", asString, 0}, NFTAFlowtableName: {"NFTA_FLOWTABLE_NAME", asString, 0},
			NFTAFlowtableHook: {"NFTA_FLOWTABLE_HOOK", asNest, spaceFlowtableHook}, NFTAFlowtableUse: {"NFTA_FLOWTABLE_USE", asU32, 0},
			NFTAFlowtableHandle: {"NFTA_FLOWTABLE_HANDLE", asU64, 0}, NFTAFlowtableFlags: {"NFTA_FLOWTABLE_FLAGS", asX32, 0},
		}
	case spaceRule:
		return []attrInfo{
			NFTARuleTable: {"NFTA_RULE_TABLE", asString, 0}, NFTARuleChain: {"NFTA_RULE_CHAIN", asString, 0},
			NFTARuleHandle: {"NFTA_RULE_HANDLE", asU64, 0}, NFTARuleExpressions: {"NFTA_RULE_EXPRESSIONS", asNest, spaceList},
			NFTARuleCompat: {"NFTA_RULE_COMPAT", asBytes, 0}, NFTARulePosition: {"NFTA_RULE_POSITION", asU64, 0},
			NFTARuleUserdata: {"NFTA_RULE_USERDATA", asBytes, 0}, NFTARuleID: {"NFTA_RULE_ID", asU32, 0},
			NFTARulePositionID: {"NFTA_RULE_POSITION_ID", asU32, 0}, NFTARuleChainID: {"NFTA_RULE_CHAIN_ID", asU32, 0},
		}
	case spaceSet:
		return []attrInfo{
			NFTASetTable: {"NFTA_SET_TABLE", asString, 0}, NFTASetName: {"NFTA_SET_NAME", asString, 0},
			NFTASetFlags: {"NFTA_SET_FLAGS", asX32, 0}, NFTASetKeyType: {"NFTA_SET_KEY_TYPE", asU32, 0},
			NFTASetKeyLen: {"NFTA_SET_KEY_LEN", asU32, 0}, NFTASetDataType: {"NFTA_SET_DATA_TYPE", asU32, 0},
			NFTASetDataLen: {"NFTA_SET_DATA_LEN", asU32, 0}, NFTASetPolicy: {"NFTA_SET_POLICY", asU32, 0},
			NFTASetDesc: {"NFTA_SET_DESC", asNest, spaceSetDesc}, NFTASetID: {"NFTA_SET_ID", asU32, 0},
			NFTASetTimeout: {"NFTA_SET_TIMEOUT", asU64, 0}, NFTASetGCInterval: {"NFTA_SET_GC_INTERVAL", asU32, 0},
			NFTASetUserdata: {"NFTA_SET_USERDATA", asBytes, 0}, NFTASetObjType: {"NFTA_SET_OBJ_TYPE", asU32, 0},
			NFTASetHandle: {"NFTA_SET_HANDLE", asU64, 0}, NFTASetExpr: {"NFTA_SET_EXPR", asNest, spaceExpr},
			NFTASetExpressions: {"NFTA_SET_EXPRESSIONS", asNest, spaceList},
		}
	case spaceElemList:
		return []attrInfo{
			NFTASetElemListTable: {"NFTA_SET_ELEM_LIST_TABLE", asString, 0}, NFTASetElemListSet: {"NFTA_SET_ELEM_LIST_SET", asString, 0},
			NFTASetElemListElements: {"NFTA_SET_ELEM_LIST_ELEMENTS", asNest, spaceElemItem},
			NFTASetElemListSetID:    {"NFTA_SET_ELEM_LIST_SET_ID", asU32, 0},
		}
	}
	return nil
}

// partAttrs are the attributes of nests within messages, by type.
func (s space) partAttrs() []attrInfo {
	switch s {
	case spaceChainHook:
		return []attrInfo{
			NFTAHookHookNum: {"NFTA_HOOK_HOOKNUM", asU32, 0}, NFTAHookPriority: {"NFTA_HOOK_PRIORITY", asS32, 0},
			NFTAHookDev: {"NFTA_HOOK_DEV", asString, 0}, NFTAHookDevs: {"NFTA_HOOK_DEVS", asNest, spaceDevice},
		}
	case spaceFlowtableHook:
		return []attrInfo{
			NFTAFlowtableHookNum: {"NFTA_FLOWTABLE_HOOK_NUM", asU32, 0}, NFTAFlowtableHookPriority: {"NFTA_FLOWTABLE_HOOK_PRIORITY", asS32, 0},
			NFTAFlowtableHookDevs: {"NFTA_FLOWTABLE_HOOK_DEVS", asNest, spaceDevice},
		}
	case spaceDevice:
		return []attrInfo{NFTADeviceName: {"NFTA_DEVICE_NAME", asString, 0}, NFTADevicePrefix: {"NFTA_DEVICE_PREFIX", asString, 0}}
	case spaceCounter:
		return []attrInfo{NFTACounterBytes: {"NFTA_COUNTER_BYTES", asU64, 0}, NFTACounterPackets: {"NFTA_COUNTER_PACKETS", asU64, 0}}
	case spaceList:
		return []attrInfo{NFTAListElem: {"NFTA_LIST_ELEM", asNest, spaceExpr}}
	case spaceExpr:
		return []attrInfo{NFTAExprName: {"NFTA_EXPR_NAME", asString, 0}, NFTAExprData: {"NFTA_EXPR_DATA", asNest, 0}}
	case spaceSetDesc:
		return []attrInfo{NFTASetDescSize: {"NFTA_SET_DESC_SIZE", asU32, 0}, NFTASetDescConcat: {"NFTA_SET_DESC_CONCAT", asBytes, 0}}
	case spaceElemItem:
		return []attrInfo{NFTAListElem: {"NFTA_LIST_ELEM", asNest, spaceElem}}
	case spaceElem:
		return []attrInfo{
			NFTASetElemKey: {"NFTA_SET_ELEM_KEY", asNest, spaceData}, NFTASetElemData: {"NFTA_SET_ELEM_DATA", asNest, spaceData},
			NFTASetElemFlags: {"NFTA_SET_ELEM_FLAGS", asX32, 0}, NFTASetElemTimeout: {"NFTA_SET_ELEM_TIMEOUT", asU64, 0},
			NFTASetElemExpiration: {"NFTA_SET_ELEM_EXPIRATION", asU64, 0}, NFTASetElemUserdata: {"NFTA_SET_ELEM_USERDATA", asBytes, 0},
			NFTASetElemExpr: {"NFTA_SET_ELEM_EXPR", asNest, spaceExpr}, NFTASetElemObjref: {"NFTA_SET_ELEM_OBJREF", asString, 0},
			NFTASetElemKeyEnd: {"NFTA_SET_ELEM_KEY_END", asNest, spaceData}, NFTASetElemExpressions: {"NFTA_SET_ELEM_EXPRESSIONS", asNest, spaceList},
		}
	case spaceData:
		return []attrInfo{NFTADataValue: {"NFTA_DATA_VALUE", asBytes, 0}, NFTADataVerdict: {"NFTA_DATA_VERDICT", asNest, spaceVerdict}}
	case spaceVerdict:
		return []attrInfo{
			NFTAVerdictCode: {"NFTA_VERDICT_CODE", asS32, 0}, NFTAVerdictChain: {"NFTA_VERDICT_CHAIN", asString, 0},
			NFTAVerdictChainID: {"NFTA_VERDICT_CHAIN_ID", asU32, 0},
		}
	}
	return nil
}
