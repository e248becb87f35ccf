package nftvalue

// nft's numbers of data types and byte orders (nftables include/datatype.h). The kernel keeps them for user space.
const (
	typeNFProto     = 2
	typeInteger     = 4
	typeString      = 5
	typeIPAddr      = 7
	typeIP6Addr     = 8
	typeINetProto   = 12
	typeINetService = 13
	typeMark        = 19
	typeCTDir       = 27
	typeDSCP        = 36
	typeIfName      = 41

	byteOrderHost = 1
	byteOrderBig  = 2
)

// SetType is a set's key as nft writes it: data type, length in bytes, byte order.
func (k Kind) SetType() (typ, length, order uint32) {
	switch k {
	case IPv4:
		return typeIPAddr, 4, byteOrderBig
	case IPv6:
		return typeIP6Addr, 16, byteOrderBig
	case Port:
		return typeINetService, 2, byteOrderBig
	case IfName:
		return typeIfName, 16, byteOrderHost
	case Proto:
		return typeINetProto, 1, byteOrderBig
	case NFProto:
		return typeNFProto, 1, byteOrderHost
	case Mark:
		return typeMark, 4, byteOrderHost
	case CTDir:
		return typeCTDir, 1, byteOrderHost
	case Helper:
		return typeString, 16, byteOrderHost
	case Zone:
		return typeInteger, 2, byteOrderHost
	case DSCP:
		return typeDSCP, 1, byteOrderBig
	}
	return 0, 0, 0
}
