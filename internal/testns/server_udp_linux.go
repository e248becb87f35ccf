package testns

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// datagram is the size of the datagrams of bulk transfers: it fits any link.
const datagram = 1200

// maxDatagram is the largest UDP payload over IPv4.
const maxDatagram = 65507

// A udpServer answers the datagrams of one socket. One goroutine owns it.
type udpServer struct {
	server *Server
	conn   *net.UDPConn
	sunk   map[netip.AddrPort]uint64 // good bytes of opSink by peer
	buf    []byte
	oob    []byte
}

func newUDPServer(s *Server, conn *net.UDPConn) *udpServer {
	return &udpServer{
		server: s, conn: conn, sunk: map[netip.AddrPort]uint64{},
		buf: make([]byte, maxDatagram+1), oob: make([]byte, 128),
	}
}

func (u *udpServer) run() {
	for u.server.ctx.Err() == nil {
		n, oobn, _, peer, err := u.conn.ReadMsgUDPAddrPort(u.buf, u.oob)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error for an answer to a client that is gone
		}
		h, err := parseHeader(u.buf[:n])
		if err != nil {
			continue
		}
		h.ttl = receivedTTL(u.oob[:oobn])
		h.peer = netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())
		u.answer(h, u.buf[:n])
	}
}

// answer serves one request. What cannot be sent is lost, as datagrams are.
func (u *udpServer) answer(h header, msg []byte) {
	switch h.op {
	case opEcho:
		h.put(msg)
		u.send(msg, h.peer)
	case opSink:
		good := goodBytes(msg[MinSize:], h.seq, 0)
		u.sunk[h.peer] += uint64(MinSize + good)
	case opCount:
		h.size = u.sunk[h.peer]
		h.put(msg)
		u.send(msg, h.peer)
	case opSource:
		for _, size := range datagramSizes(h.size) {
			u.send(content(h, size), h.peer)
		}
	}
}

func (u *udpServer) send(msg []byte, to netip.AddrPort) {
	if _, err := u.conn.WriteToUDPAddrPort(msg, to); err == nil {
		u.server.count(Counter{Packets: 1, Bytes: uint64(len(msg) + udpHeaders(to.Addr()))})
	}
}

// datagramSizes splits n bytes into datagrams. The last may be rounded up to MinSize.
func datagramSizes(n uint64) []int {
	var sizes []int
	for n > 0 {
		size := max(min(n, datagram), MinSize)
		sizes = append(sizes, int(size))
		n -= min(n, size)
	}
	return sizes
}

// receiveTTL asks the kernel to tell the TTL or hop limit of received packets.
func receiveTTL(conn *net.UDPConn) error {
	if addrPort(conn.LocalAddr()).Addr().Is4() {
		return setOption(conn, unix.IPPROTO_IP, unix.IP_RECVTTL, 1)
	}
	return setOption(conn, unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT, 1)
}

// receivedTTL finds the TTL or hop limit in control messages, or 0.
func receivedTTL(oob []byte) byte {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return 0
	}
	for _, m := range msgs {
		v4 := m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_TTL
		v6 := m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_HOPLIMIT
		if (v4 || v6) && len(m.Data) >= 4 {
			return byte(binary.NativeEndian.Uint32(m.Data))
		}
	}
	return 0
}
