package testns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// A Server answers every Flow that reaches its port, over TCP and UDP, IPv4 and IPv6, on all addresses of its namespace. It tells
// the flow which address it saw and which TTL. It is safe for concurrent use.
type Server struct {
	ns   *Namespace
	port uint16

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex
	closers map[interface{ Close() error }]bool
	sent    Counter
}

// Serve starts a server on a port of a namespace; port 0 is refused, since four sockets share it.
func Serve(ns *Namespace, port uint16) (*Server, error) {
	if port == 0 {
		return nil, fmt.Errorf("testns: serve in namespace %s: give a port", ns)
	}
	s := &Server{ns: ns, port: port, closers: map[interface{ Close() error }]bool{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if err := ns.Do(s.listen); err != nil {
		return nil, errors.Join(fmt.Errorf("testns: serve port %d in namespace %s: %w", port, ns, err), s.Close())
	}
	return s, nil
}

// ServeT is Serve for a test, closed at its end.
func ServeT(tb TB, ns *Namespace, port uint16) *Server {
	tb.Helper()
	s, err := Serve(ns, port)
	if err != nil {
		tb.Fatalf("%v", err)
		return nil
	}
	closeAtEnd(tb, s.Close)
	return s
}

// Port is the port that s listens on.
func (s *Server) Port() uint16 { return s.port }

// Datagrams is what s has sent over UDP so far, IP headers included.
func (s *Server) Datagrams() Counter {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent
}

func (s *Server) count(sent Counter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent.add(sent)
}

// listen opens the four sockets; it runs inside the namespace.
func (s *Server) listen() error {
	for _, suffix := range []string{"4", "6"} {
		tcp, err := net.ListenTCP("tcp"+suffix, &net.TCPAddr{Port: int(s.port)})
		if err != nil {
			return err
		}
		s.start(tcp, func() { s.accept(tcp) })

		udp, err := net.ListenUDP("udp"+suffix, &net.UDPAddr{Port: int(s.port)})
		if err != nil {
			return err
		}
		if err := receiveTTL(udp); err != nil {
			udp.Close()
			return err
		}
		s.start(udp, func() { newUDPServer(s, udp).run() })
	}
	return nil
}

// start runs work until Close closes c.
func (s *Server) start(c interface{ Close() error }, work func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		c.Close()
		return
	}
	s.closers[c] = true
	s.work.Go(func() {
		defer s.forget(c)
		work()
	})
}

func (s *Server) forget(c interface{ Close() error }) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.closers, c)
	c.Close()
}

// Close ends the server and its connections and waits for both. It may be called again, or on nil, and then does nothing.
func (s *Server) Close() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	s.cancel()
	for c := range s.closers {
		c.Close()
	}
	s.mu.Unlock()
	s.work.Wait()
	return nil
}

func (s *Server) accept(l *net.TCPListener) {
	for {
		conn, err := l.AcceptTCP()
		if err != nil {
			return // closed
		}
		s.start(conn, func() { serveTCP(conn) })
	}
}

// serveTCP answers the requests of one connection until it ends. What is wrong with it shows at the client.
func serveTCP(conn *net.TCPConn) {
	buf := make([]byte, MinSize)
	for {
		if _, err := io.ReadFull(conn, buf); err != nil {
			return
		}
		h, err := parseHeader(buf)
		if err != nil || h.size < MinSize {
			return
		}
		h.peer = addrPort(conn.RemoteAddr())
		if err := answerTCP(conn, h); err != nil {
			return
		}
	}
}

func answerTCP(conn *net.TCPConn, h header) error {
	switch h.op {
	case opEcho:
		return echoStream(conn, h)
	case opSink:
		good, err := readContent(conn, h.seq, h.size-MinSize)
		h.size = MinSize + good
		_, writeErr := conn.Write(content(h, MinSize))
		return errors.Join(writeErr, err)
	case opSource:
		if _, err := conn.Write(content(h, MinSize)); err != nil {
			return err
		}
		_, err := writeContent(conn, h.seq, h.size-MinSize)
		return err
	}
	return fmt.Errorf("%w: operation %d", errGarbled, h.op)
}

// echoStream sends the message of header h back while it arrives. A small one goes out in one piece.
func echoStream(conn *net.TCPConn, h header) error {
	rest := h.size - MinSize
	first := make([]byte, MinSize+min(rest, chunk))
	h.put(first)
	if _, err := io.ReadFull(conn, first[MinSize:]); err != nil {
		return err
	}
	if _, err := conn.Write(first); err != nil {
		return err
	}
	_, err := io.CopyN(conn, conn, int64(rest-uint64(len(first)-MinSize)))
	return err
}
