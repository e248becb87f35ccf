package testns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A DialConfig says which connection to open. Every zero field but Network and To is the recommended default.
type DialConfig struct {
	Network    string         // "tcp" or "udp"
	To         netip.AddrPort // a Server, or an address that the router translates to one
	SourcePort uint16         // zero lets the kernel choose, from 32768 on: below, no other flow has it
	TTL        int            // TTL or hop limit of all packets; zero is the kernel's default, 64
	IPOptions  bool           // as Flow.SetIPOptions, from the first packet on
	NoDF       bool           // IPv4: no Don't Fragment bit, so that routers fragment what is over their MTU
}

// A Flow is one TCP or UDP connection to a Server. It is safe for concurrent use; its operations take turns. An operation ends with
// its context, or after 30 seconds when that has no deadline. A TCP flow is unusable after an operation failed.
type Flow struct {
	tuple Tuple
	tcp   *net.TCPConn // one of the two is set
	udp   *net.UDPConn

	mu     sync.Mutex
	seq    uint64
	broken error  // TCP: the failure that left the stream in the middle of a message
	buf    []byte // UDP: receives
}

// Dial opens a connection from a namespace. For UDP nothing is sent yet.
func Dial(ctx context.Context, ns *Namespace, c DialConfig) (*Flow, error) {
	ctx, cancel := withDeadline(ctx)
	defer cancel()
	if c.Network != "tcp" && c.Network != "udp" {
		return nil, fmt.Errorf("testns: dial network %q: want tcp or udp", c.Network)
	}
	f := &Flow{tuple: Tuple{Network: c.Network, Destination: c.To}}
	err := ns.Do(func() error {
		conn, err := c.dialer().DialContext(ctx, c.Network, c.To.String())
		if err != nil {
			return err
		}
		f.tuple.Source = addrPort(conn.LocalAddr())
		f.tcp, _ = conn.(*net.TCPConn)
		f.udp, _ = conn.(*net.UDPConn)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("testns: dial %s %s from namespace %s: %w", c.Network, c.To, ns, err)
	}
	if f.udp != nil {
		f.buf = make([]byte, maxDatagram+1)
	}
	return f, nil
}

// dialer applies the socket options before the first packet.
func (c DialConfig) dialer() *net.Dialer {
	d := &net.Dialer{KeepAlive: -1} // no packets that nobody asked for
	if c.SourcePort != 0 && c.Network == "tcp" {
		d.LocalAddr = &net.TCPAddr{Port: int(c.SourcePort)}
	} else if c.SourcePort != 0 {
		d.LocalAddr = &net.UDPAddr{Port: int(c.SourcePort)}
	}
	d.Control = func(_, _ string, raw syscall.RawConn) error { return onSocket(raw, c.setOptions) }
	return d
}

func (c DialConfig) setOptions(fd int) error {
	fam := Tuple{Source: c.To}.Family()
	var errs []error
	if c.SourcePort != 0 {
		// The port may be taken again while its last connection is in TIME_WAIT.
		errs = append(errs, setInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
	}
	if c.TTL != 0 {
		errs = append(errs, setTTL(fd, fam, c.TTL))
	}
	if c.IPOptions {
		errs = append(errs, setIPOptions(fd, fam, true))
	}
	if c.NoDF && fam == IPv4 {
		errs = append(errs, setInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT))
	}
	return errors.Join(errs...)
}

// Tuple is the flow as its client sees it, with the port that the kernel chose.
func (f *Flow) Tuple() Tuple { return f.tuple }

// String is the tuple.
func (f *Flow) String() string { return f.tuple.String() }

// conn is the connection, of either kind.
func (f *Flow) conn() interface {
	net.Conn
	syscall.Conn
} {
	if f.tcp != nil {
		return f.tcp
	}
	return f.udp
}

// SetIPOptions puts IP options (IPv6: a hop-by-hop header) on every packet that the client sends from now on, or takes them off.
func (f *Flow) SetIPOptions(on bool) error {
	return f.set(func(fd int) error { return setIPOptions(fd, f.tuple.Family(), on) })
}

// SetTTL sets the TTL or hop limit of what the client sends from now on.
func (f *Flow) SetTTL(ttl int) error {
	return f.set(func(fd int) error { return setTTL(fd, f.tuple.Family(), ttl) })
}

func (f *Flow) set(option func(fd int) error) error {
	raw, err := f.conn().SyscallConn()
	if err != nil {
		return fmt.Errorf("testns: %v: %w", f, err)
	}
	return onSocket(raw, option)
}

// begin takes the turn for one operation, until end: the connection's deadline follows ctx.
func (f *Flow) begin(ctx context.Context) (inner context.Context, end func(), err error) {
	f.mu.Lock()
	if f.broken != nil {
		defer f.mu.Unlock()
		return nil, nil, fmt.Errorf("testns: %v is broken: %w", f, f.broken)
	}
	ctx, cancel := withDeadline(ctx)
	deadline, _ := ctx.Deadline()
	conn := f.conn()
	_ = conn.SetDeadline(deadline)
	// Cancelled ahead of the deadline: wake whoever waits.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return ctx, func() { stop(); cancel(); f.mu.Unlock() }, nil
}

// fail describes the failure of an operation and, for TCP, ends the flow's use.
func (f *Flow) fail(ctx context.Context, what string, err error) error {
	if isTimeout(err) && ctx.Err() != nil {
		err = context.Cause(ctx)
	} else if isTimeout(err) {
		err = context.DeadlineExceeded
	}
	err = fmt.Errorf("testns: %v: %s: %w", f, what, err)
	if f.tcp != nil {
		f.broken = err
	}
	return err
}

// Finish closes the flow in the orderly way and returns when both sides did: TCP with FIN both ways. UDP has no such thing and is
// just closed.
func (f *Flow) Finish(ctx context.Context) error {
	_, err := f.FinishCounted(ctx)
	return err
}

// FinishCounted is Finish, and tells what a TCP flow has sent and received by then; see Traffic.
func (f *Flow) FinishCounted(ctx context.Context) (Traffic, error) {
	if f.udp != nil {
		return Traffic{}, f.Close()
	}
	ctx, end, err := f.begin(ctx)
	if err != nil {
		return Traffic{}, err
	}
	defer end()
	err = f.tcp.CloseWrite()
	if err == nil {
		_, err = io.Copy(io.Discard, f.tcp)
	}
	if err != nil {
		return Traffic{}, errors.Join(f.fail(ctx, "finish", err), f.tcp.Close())
	}
	t, err := f.traffic()
	return t, errors.Join(err, f.tcp.Close())
}

// Reset closes the flow at once: TCP with RST. UDP has no such thing and is just closed.
func (f *Flow) Reset() error {
	if f.tcp != nil {
		if err := f.tcp.SetLinger(0); err != nil {
			return fmt.Errorf("testns: %v: reset: %w", f, err)
		}
	}
	return f.Close()
}

// Close closes the flow without waiting for the other side; operations under way fail. It may be called again and then does nothing.
func (f *Flow) Close() error {
	if f == nil {
		return nil
	}
	if err := f.conn().Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("testns: %v: close: %w", f, err)
	}
	return nil
}
