package conntrack

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/nlsock"
)

// A kernel is the Source of this machine: one namespace, and sockets that are kept between requests.
type kernel struct {
	ns         *nlsock.Namespace
	readBuffer int
	reliable   bool

	mu     sync.Mutex
	idle   []*nlsock.Socket
	busy   map[*nlsock.Socket]bool
	closed bool
}

// Sockets that are kept for the next request; each has a buffer of 64 KB.
const maxIdle = 2

func openKernel(ctx context.Context, cfg *Config) (Source, error) {
	ns, err := nlsock.OpenNamespace(cfg.NetNS)
	if err != nil {
		return nil, fmt.Errorf("conntrack: %w", err)
	}
	k := &kernel{ns: ns, readBuffer: cfg.ReadBuffer, reliable: cfg.Reliable, busy: make(map[*nlsock.Socket]bool)}
	if err := k.probe(ctx); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	return k, nil
}

// probe asks for something that every ctnetlink answers.
func (k *kernel) probe(ctx context.Context) error {
	_, err := k.do(ctx, probeRequest)
	return k.explain("read the table of connections", k.unsupported(err))
}

// unsupported reads EINVAL as what it is in the answer to a probe: nfnetlink has no such subsystem.
func (k *kernel) unsupported(err error) error {
	if !errors.Is(err, unix.EINVAL) {
		return err
	}
	return fmt.Errorf("%w by this kernel: no ctnetlink; load module nf_conntrack_netlink: %w", errors.ErrUnsupported, err)
}

// explain adds the object and the next step to what the kernel answered.
func (k *kernel) explain(doing string, err error) error {
	var refused *nlsock.RequestError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &refused) && errors.Is(err, unix.EPERM):
		return fmt.Errorf("conntrack: %s of %s: %w: it needs CAP_NET_ADMIN there; run as root, "+
			"or give the program the capability (setcap cap_net_admin+ep)", doing, k.ns.Label(), err)
	}
	return fmt.Errorf("conntrack: %s of %s: %w", doing, k.ns.Label(), err)
}

// Dump streams one dump.
func (k *kernel) Dump(ctx context.Context, m Match) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if err := k.lend(ctx, &m, func(e *Entry) bool { return yield(*e, nil) }); err != nil {
			yield(Entry{}, err)
		}
	}
}

// lend is Dump into one entry; the socket is used again unless visit stops early.
func (k *kernel) lend(ctx context.Context, m *Match, visit func(*Entry) bool) error {
	b := nlmsg.NewBuilder(nlmsg.Native(), nil)
	dumpRequest(b, m)
	sock, err := k.take()
	if err != nil {
		return k.explain("read the table of connections", err)
	}
	clean := false
	defer func() { k.give(sock, clean) }()
	d := decoder{order: nlmsg.Native()}
	var e Entry
	for msg, err := range sock.Dump(ctx, b.Bytes()) {
		if err == nil {
			e = Entry{}
			err = d.entry(&e, msg.Data)
		}
		if err != nil {
			return k.explain("read the table of connections", err)
		}
		if !visit(&e) {
			return nil
		}
	}
	clean = true
	return nil
}

// Lookup asks for one tuple.
func (k *kernel) Lookup(ctx context.Context, key Key) (Entry, error) {
	msgs, err := k.do(ctx, func(b *nlmsg.Builder) { keyRequest(b, nlmsg.CTGet, &key) })
	if err != nil {
		return Entry{}, k.explain(fmt.Sprintf("look up %v", key), err)
	}
	if len(msgs) == 0 {
		return Entry{}, k.explain(fmt.Sprintf("look up %v", key), fmt.Errorf("%w: an answer without an entry", nlmsg.ErrMalformed))
	}
	var e Entry
	d := decoder{order: nlmsg.Native()}
	err = d.entry(&e, msgs[0].Data)
	e.Use -= min(e.Use, 1) // what the kernel holds for this answer
	return e, err
}

// Delete removes one connection.
func (k *kernel) Delete(ctx context.Context, key Key) error {
	_, err := k.do(ctx, func(b *nlmsg.Builder) { keyRequest(b, nlmsg.CTDelete, &key) })
	return k.explain(fmt.Sprintf("delete %v", key), err)
}

// DeleteAll removes what m matches, if the kernel's filter can say that.
func (k *kernel) DeleteAll(ctx context.Context, m Match) error {
	major, minor, err := release()
	if err != nil {
		return fmt.Errorf("conntrack: which kernel this is: %w", err)
	}
	if !m.deletable(major, minor) {
		return fmt.Errorf("conntrack: delete what matches in one request: %w", errors.ErrUnsupported)
	}
	_, err = k.do(ctx, func(b *nlmsg.Builder) { deleteAllRequest(b, &m) })
	return k.explain("delete connections", err)
}

// release is the version of the running kernel.
func release() (major, minor int, err error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return 0, 0, err
	}
	text := unix.ByteSliceToString(name.Release[:])
	if _, err := fmt.Sscanf(text, "%d.%d", &major, &minor); err != nil {
		return 0, 0, fmt.Errorf("release %q: %w", text, err)
	}
	return major, minor, nil
}

// do sends one request and waits for its acknowledgement.
func (k *kernel) do(ctx context.Context, request func(*nlmsg.Builder)) ([]nlmsg.Message, error) {
	b := nlmsg.NewBuilder(nlmsg.Native(), nil)
	request(b)
	sock, err := k.take()
	if err != nil {
		return nil, err
	}
	msgs, err := sock.Do(ctx, b.Bytes())
	var refused *nlsock.RequestError
	k.give(sock, err == nil || errors.As(err, &refused))
	return msgs, err
}

// gather is how late a notification may come where many do: without it the listener sleeps and wakes with nearly each of them.
const gather = 2 * time.Millisecond

// Subscribe joins the three groups, behind a filter that keeps out what m excludes. Kernels limit the memory of a filter
// (net.core.optmem_max): where the whole one is refused, a smaller one is tried, and then none, for a filter only saves work.
func (k *kernel) Subscribe(_ context.Context, m Match) (Subscription, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	cfg := nlsock.Config{
		Groups:     []uint32{nlmsg.GroupConntrackNew, nlmsg.GroupConntrackUpdate, nlmsg.GroupConntrackDestroy},
		ReadBuffer: k.readBuffer,
		Reliable:   k.reliable,
		Gather:     gather,
		Filter:     socketFilter(m),
	}
	sock, err := k.dial(cfg)
	if errors.Is(err, nlsock.ErrFilter) && len(m.Prefixes) > 0 {
		cfg.Filter = socketFilter(m.withoutPrefixes())
		sock, err = k.dial(cfg)
	}
	if errors.Is(err, nlsock.ErrFilter) {
		cfg.Filter = nil
		sock, err = k.dial(cfg)
	}
	if err != nil {
		return nil, k.explain("watch the connections", err)
	}
	return &subscription{kernel: k, sock: sock, decoder: decoder{order: nlmsg.Native()}}, nil
}

func socketFilter(m Match) []unix.SockFilter {
	var program []unix.SockFilter
	for _, op := range eventProgram(nlmsg.Native(), &m) {
		program = append(program, unix.SockFilter{Code: op.code, Jt: op.jt, Jf: op.jf, K: op.k})
	}
	return program
}

// subscription is one socket in the groups.
type subscription struct {
	kernel  *kernel
	sock    *nlsock.Socket
	decoder decoder
}

// Notifications reads what the socket has.
func (s *subscription) Notifications(ctx context.Context, wait time.Duration) iter.Seq2[Notification, error] {
	return func(yield func(Notification, error) bool) {
		end := ctx
		messages := s.sock.Queued
		if wait > 0 {
			var cancel context.CancelFunc
			end, cancel = context.WithTimeout(ctx, wait)
			defer cancel()
			messages = s.sock.Events
		}
		var n Notification
		for msg, err := range messages(end) {
			if err != nil && end.Err() != nil && errors.Is(err, context.DeadlineExceeded) {
				if err = ctx.Err(); err == nil {
					return // the wait is over
				}
			}
			err = s.notification(&n, msg, err)
			if !yield(n, err) || err != nil && !errors.Is(err, ErrOverrun) {
				return
			}
		}
	}
}

// notification fills n, whatever it held.
func (s *subscription) notification(n *Notification, msg nlmsg.Message, err error) error {
	*n = Notification{}
	if errors.Is(err, nlsock.ErrOverrun) {
		return ErrOverrun
	}
	if err != nil {
		return s.kernel.explain("watch the connections", err)
	}
	switch {
	case msg.Type&0xff == nlmsg.CTDelete:
		n.Kind = NotifyDestroy
	case msg.Flags&nlmsg.FlagCreate != 0:
		n.Kind = NotifyNew
	default:
		n.Kind = NotifyUpdate
	}
	return s.decoder.entry(&n.Entry, msg.Data)
}

// Close leaves the groups.
func (s *subscription) Close() error { return s.kernel.drop(s.sock) }
