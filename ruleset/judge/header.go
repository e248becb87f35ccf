package judge

import (
	"encoding/binary"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// Bases of payload loads (enum nft_payload_bases).
const (
	networkHeader   = 1
	transportHeader = 2
)

// Headers are what is known of a packet's bytes.
type headers struct {
	network      [40]byte
	networkKnown [40]bool
	ports        [4]byte
	portsKnown   bool
}

// headersOf builds the headers of a packet.
func headersOf(protocol uint8, t Tuple) headers {
	var h headers
	put := func(at int, b []byte) {
		for i := range b {
			h.network[at+i], h.networkKnown[at+i] = b[i], true
		}
	}
	src, dst := t.Src.Addr(), t.Dst.Addr()
	if src.Is4() {
		put(9, []byte{protocol})
		put(12, src.AsSlice())
		put(16, dst.AsSlice())
	} else {
		put(6, []byte{protocol}) // extension headers keep a packet off the fast path
		put(8, src.AsSlice())
		put(24, dst.AsSlice())
	}
	switch protocol {
	case 6, 17, 33, 132, 136: // TCP, UDP, DCCP, SCTP, UDPlite: ports come first
		binary.BigEndian.PutUint16(h.ports[:], t.Src.Port())
		binary.BigEndian.PutUint16(h.ports[2:], t.Dst.Port())
		h.portsKnown = true
	}
	return h
}

// load copies n bytes of the packet; false if one of them is not known.
func (h *headers) load(to []byte, base, offset, n uint32) bool {
	switch {
	case base == networkHeader && offset < 40 && n <= 40-offset:
		for i := offset; i < offset+n; i++ {
			if !h.networkKnown[i] {
				return false
			}
		}
		copy(to, h.network[offset:offset+n])
		return true
	case base == transportHeader && h.portsKnown && offset < 4 && n <= 4-offset:
		copy(to, h.ports[offset:offset+n])
		return true
	}
	return false
}

// etherType is the network protocol as frames name it (include/uapi/linux/if_ether.h), in network byte order.
func etherType(family byte) []byte {
	if family == nlmsg.FamilyIPv4 {
		return []byte{0x08, 0x00}
	}
	return []byte{0x86, 0xdd}
}
