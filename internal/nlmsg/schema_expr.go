package nlmsg

// exprAttrs are the attributes of expressions, by type.
func (s space) exprAttrs() []attrInfo {
	switch s {
	case spaceMeta:
		return []attrInfo{NFTAMetaDreg: {"NFTA_META_DREG", asU32, 0}, NFTAMetaKey: {"NFTA_META_KEY", asU32, 0}, NFTAMetaSreg: {"NFTA_META_SREG", asU32, 0}}
	case spaceCT:
		return []attrInfo{
			NFTACTDreg: {"NFTA_CT_DREG", asU32, 0}, NFTACTKey: {"NFTA_CT_KEY", asU32, 0},
			NFTACTDirection: {"NFTA_CT_DIRECTION", asU8, 0}, NFTACTSreg: {"NFTA_CT_SREG", asU32, 0},
		}
	case spaceRT:
		return []attrInfo{NFTARTDreg: {"NFTA_RT_DREG", asU32, 0}, NFTARTKey: {"NFTA_RT_KEY", asU32, 0}}
	case spacePayload:
		return []attrInfo{
			NFTAPayloadDreg: {"NFTA_PAYLOAD_DREG", asU32, 0}, NFTAPayloadBase: {"NFTA_PAYLOAD_BASE", asU32, 0},
			NFTAPayloadOffset: {"NFTA_PAYLOAD_OFFSET", asU32, 0}, NFTAPayloadLen: {"NFTA_PAYLOAD_LEN", asU32, 0},
			NFTAPayloadSreg: {"NFTA_PAYLOAD_SREG", asU32, 0},
		}
	case spaceBitwise:
		return []attrInfo{
			NFTABitwiseSreg: {"NFTA_BITWISE_SREG", asU32, 0}, NFTABitwiseDreg: {"NFTA_BITWISE_DREG", asU32, 0},
			NFTABitwiseLen: {"NFTA_BITWISE_LEN", asU32, 0}, NFTABitwiseMask: {"NFTA_BITWISE_MASK", asNest, spaceData},
			NFTABitwiseXor: {"NFTA_BITWISE_XOR", asNest, spaceData}, NFTABitwiseOp: {"NFTA_BITWISE_OP", asU32, 0},
		}
	case spaceByteorder:
		return []attrInfo{
			NFTAByteorderSreg: {"NFTA_BYTEORDER_SREG", asU32, 0}, NFTAByteorderDreg: {"NFTA_BYTEORDER_DREG", asU32, 0},
			NFTAByteorderOp: {"NFTA_BYTEORDER_OP", asU32, 0}, NFTAByteorderLen: {"NFTA_BYTEORDER_LEN", asU32, 0},
			NFTAByteorderSize: {"NFTA_BYTEORDER_SIZE", asU32, 0},
		}
	case spaceImmediate:
		return []attrInfo{NFTAImmediateDreg: {"NFTA_IMMEDIATE_DREG", asU32, 0}, NFTAImmediateData: {"NFTA_IMMEDIATE_DATA", asNest, spaceData}}
	case spaceCmp:
		return []attrInfo{NFTACmpSreg: {"NFTA_CMP_SREG", asU32, 0}, NFTACmpOp: {"NFTA_CMP_OP", asU32, 0}, NFTACmpData: {"NFTA_CMP_DATA", asNest, spaceData}}
	case spaceRange:
		return []attrInfo{
			NFTARangeSreg: {"NFTA_RANGE_SREG", asU32, 0}, NFTARangeOp: {"NFTA_RANGE_OP", asU32, 0},
			NFTARangeFrom: {"NFTA_RANGE_FROM_DATA", asNest, spaceData}, NFTARangeTo: {"NFTA_RANGE_TO_DATA", asNest, spaceData},
		}
	case spaceLookup:
		return []attrInfo{
			NFTALookupSet: {"NFTA_LOOKUP_SET", asString, 0}, NFTALookupSreg: {"NFTA_LOOKUP_SREG", asU32, 0},
			NFTALookupDreg: {"NFTA_LOOKUP_DREG", asU32, 0}, NFTALookupSetID: {"NFTA_LOOKUP_SET_ID", asU32, 0},
			NFTALookupFlags: {"NFTA_LOOKUP_FLAGS", asX32, 0},
		}
	}
	return s.actionAttrs()
}

func (s space) actionAttrs() []attrInfo {
	switch s {
	case spaceLimit:
		return []attrInfo{
			NFTALimitRate: {"NFTA_LIMIT_RATE", asU64, 0}, NFTALimitUnit: {"NFTA_LIMIT_UNIT", asU64, 0}, NFTALimitBurst: {"NFTA_LIMIT_BURST", asU32, 0},
			NFTALimitType: {"NFTA_LIMIT_TYPE", asU32, 0}, NFTALimitFlags: {"NFTA_LIMIT_FLAGS", asX32, 0},
		}
	case spaceLog:
		return []attrInfo{
			NFTALogGroup: {"NFTA_LOG_GROUP", asU16, 0}, NFTALogPrefix: {"NFTA_LOG_PREFIX", asString, 0}, NFTALogSnaplen: {"NFTA_LOG_SNAPLEN", asU32, 0},
			NFTALogQthreshold: {"NFTA_LOG_QTHRESHOLD", asU16, 0}, NFTALogLevel: {"NFTA_LOG_LEVEL", asU32, 0}, NFTALogFlags: {"NFTA_LOG_FLAGS", asX32, 0},
		}
	case spaceNAT:
		return []attrInfo{
			NFTANATType: {"NFTA_NAT_TYPE", asU32, 0}, NFTANATFamily: {"NFTA_NAT_FAMILY", asU32, 0},
			NFTANATRegAddrMin: {"NFTA_NAT_REG_ADDR_MIN", asU32, 0}, NFTANATRegAddrMax: {"NFTA_NAT_REG_ADDR_MAX", asU32, 0},
			NFTANATRegProtoMin: {"NFTA_NAT_REG_PROTO_MIN", asU32, 0}, NFTANATRegProtoMax: {"NFTA_NAT_REG_PROTO_MAX", asU32, 0},
			NFTANATFlags: {"NFTA_NAT_FLAGS", asX32, 0},
		}
	case spaceMasq:
		return []attrInfo{
			NFTAMasqFlags: {"NFTA_MASQ_FLAGS", asX32, 0}, NFTAMasqRegProtoMin: {"NFTA_MASQ_REG_PROTO_MIN", asU32, 0},
			NFTAMasqRegProtoMax: {"NFTA_MASQ_REG_PROTO_MAX", asU32, 0},
		}
	case spaceFlow:
		return []attrInfo{NFTAFlowTableName: {"NFTA_FLOW_TABLE_NAME", asString, 0}}
	}
	return nil
}
