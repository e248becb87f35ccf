package offload_test

import (
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// A sink is a UDP socket of the server that answers only when it is told to, and the client's socket that talks to it.
type sink struct {
	client, server *net.UDPConn
	tuple          conntrack.Tuple
	from           netip.AddrPort // whom the server heard last
}

// sink opens both over IPv4; the client's end is the given address, and any port if it has none.
func (l *lab) sink(t *testing.T, client netip.AddrPort) *sink {
	t.Helper()
	s := &sink{}
	require.NoError(t, l.Server.Do(func() (err error) {
		s.server, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(l.ServerAddr(family(client.Addr())), 0)))
		return err
	}))
	t.Cleanup(func() { s.server.Close() })
	to := s.server.LocalAddr().(*net.UDPAddr)
	require.NoError(t, l.Client.Do(func() (err error) {
		s.client, err = net.DialUDP("udp", net.UDPAddrFromAddrPort(client), to)
		return err
	}))
	t.Cleanup(func() { s.client.Close() })
	s.tuple = conntrack.Tuple{Proto: conntrack.UDP, Src: s.client.LocalAddr().(*net.UDPAddr).AddrPort(), Dst: to.AddrPort()}
	return s
}

func family(a netip.Addr) testns.Family {
	if a.Is4() {
		return testns.IPv4
	}
	return testns.IPv6
}

// send sends n packets, one after the other.
func (s *sink) send(t *testing.T, n int) {
	t.Helper()
	for range n {
		s.pass(t, s.server, func() error {
			_, err := s.client.Write([]byte("there"))
			return err
		})
	}
}

// answer sends n packets the other way.
func (s *sink) answer(t *testing.T, n int) {
	t.Helper()
	for range n {
		s.pass(t, s.client, func() error {
			_, err := s.server.WriteToUDPAddrPort([]byte("back"), s.from)
			return err
		})
	}
}

// pass sends a packet and waits until it has come.
func (s *sink) pass(t *testing.T, to *net.UDPConn, send func() error) {
	t.Helper()
	require.NoError(t, send())
	s.receive(t, to)
}

// receive waits for the next packet that comes to an end.
func (s *sink) receive(t *testing.T, to *net.UDPConn) {
	t.Helper()
	require.NoError(t, to.SetReadDeadline(time.Now().Add(within)))
	_, from, err := to.ReadFromUDPAddrPort(make([]byte, 64))
	require.NoError(t, err)
	if to == s.server {
		s.from = from
	}
}

// ttl sets the TTL of the client's packets.
func (s *sink) ttl(t *testing.T, ttl int) {
	t.Helper()
	raw, err := s.client.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_TTL, ttl)
	}))
	require.NoError(t, err)
}

// of are the entries of a sink's connection, in whatever zone.
func (l *lab) of(t *testing.T, s *sink) []conntrack.Entry {
	t.Helper()
	return l.entries(t, conntrack.Match{Tuple: s.tuple})
}

// fastSink is a sink whose connection is offloaded before its first answer. Its two packets are the first that may be: the second.
func (l *lab) fastSink(t *testing.T) *sink {
	t.Helper()
	s := l.sink(t, netip.AddrPortFrom(l.ClientAddr(testns.IPv4), 0))
	s.send(t, 2)
	found := l.of(t, s)
	require.Len(t, found, 1)
	require.Equal(t, conntrack.Software, found[0].Path(), "%v", found[0])
	require.Zero(t, found[0].Status&conntrack.SeenReply, "%v", found[0])
	return s
}

// flow is a sink's connection for Watch.
func (s *sink) flow() testns.Tuple {
	return testns.Tuple{Network: "udp", Source: s.tuple.Src, Destination: s.tuple.Dst}
}
