package testns

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Headers in bytes. Every TCP segment carries timestamps; the first of each side carries 8 bytes more of options: the largest segment, that
// selective acknowledgements are understood, and the scale of windows. It is so between Linux machines at their defaults, without loss.
const (
	ipv4Header  = 20
	ipv6Header  = 40
	udpHeader   = 8
	tcpHeader   = 32
	synMore     = 8
	maxOneRound = 1400 // of payload, that a message is one segment
)

// Traffic is what a client has put on the wire and got from it, in packets, and in bytes with IP headers. It is a plain value.
type Traffic struct{ Sent, Received Counter }

// Add adds other to t.
func (t *Traffic) Add(other Traffic) {
	t.Sent.add(other.Sent)
	t.Received.add(other.Received)
}

func (c *Counter) add(other Counter) {
	c.Packets += other.Packets
	c.Bytes += other.Bytes
}

func ipHeader(a netip.Addr) int {
	if a.Is4() {
		return ipv4Header
	}
	return ipv6Header
}

func udpHeaders(a netip.Addr) int { return ipHeader(a) + udpHeader }

// traffic is what the kernel's TCP has counted (TCP_INFO) when both directions have ended, segments sent again and acknowledgements included.
// What follows may be missing: one acknowledgement. Among the bytes received the kernel counts the server's FIN.
func (f *Flow) traffic() (Traffic, error) {
	raw, err := f.tcp.SyscallConn()
	if err != nil {
		return Traffic{}, fmt.Errorf("testns: %v: %w", f, err)
	}
	var info *unix.TCPInfo
	err = onSocket(raw, func(fd int) error {
		var err error
		info, err = unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		return err
	})
	if err != nil {
		return Traffic{}, fmt.Errorf("testns: %v: TCP_INFO: %w", f, err)
	}
	headers := uint64(ipHeader(f.tuple.Source.Addr()) + tcpHeader)
	count := func(segments uint32, payload uint64) Counter {
		return Counter{Packets: uint64(segments), Bytes: payload + uint64(segments)*headers + synMore}
	}
	return Traffic{Sent: count(info.Segs_out, info.Bytes_sent), Received: count(info.Segs_in, info.Bytes_received-1)}, nil
}
