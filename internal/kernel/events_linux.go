package kernel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/nlsock"
)

// eventBuffer is the room for announcements that are not read yet. The kernel takes the memory as they come.
const eventBuffer = 4 << 20

// The kinds of events.
const (
	EventLinks   = "links"
	EventRoutes  = "routes" // routes and neighbours
	EventRuleset = "ruleset"
	EventLost    = "lost" // the subscription began, or announcements were lost
)

// An Event says that something changed in the namespace. It is a plain value.
type Event struct {
	Kind       string
	Device     string // its name, where that is known
	Generation uint32 // of the ruleset, with EventRuleset
	What       string
	Writer     string // who committed, with EventRuleset; "" is unknown, or this process
}

// Events streams what changes in the namespace: links and the ruleset, and with routes routes and neighbours too. The first Event is an
// EventLost which says that the subscription stands. What the kernel had to throw away, or a socket that fails, is another, and
// the stream goes on. Of a transaction of nf_tables there is one Event. An error is the last pair; ctx's own when
// ctx ended, and one that matches nlsock.ErrGone when the namespace was deleted.
func (k *Kernel) Events(ctx context.Context, routes bool) iter.Seq2[Event, error] {
	return stream(ctx, k.ns.Await, []listener{k.listenToLinks(routes, eventBuffer), k.listenToRuleset()})
}

// A listener is one subscription.
type listener struct {
	dial   func() (*nlsock.Socket, error)
	read   func(nlmsg.Message) (e Event, news bool, err error)
	forget func() // what was announced before, for some is lost
}

// listenToLinks subscribes to rtnetlink.
func (k *Kernel) listenToLinks(routes bool, buffer int) listener {
	cfg := nlsock.Config{Groups: []uint32{unix.RTNLGRP_LINK}, ReadBuffer: buffer}
	if routes {
		cfg.Groups = append(cfg.Groups, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_NEIGH)
	}
	w := newLinkWatch()
	return listener{
		dial: func() (*nlsock.Socket, error) { return k.ns.Dial(unix.NETLINK_ROUTE, cfg) },
		read: w.read, forget: w.forget,
	}
}

// listenToRuleset subscribes to nf_tables. Of a transaction the kernel announces every object, and NEWGEN in the end in a datagram of
// its own (nf_tables_commit): that alone is let into the socket.
func (k *Kernel) listenToRuleset() listener {
	o := nlmsg.Native()
	wire := binary.BigEndian.Uint16(o.AppendUint16(nil, nlmsg.NFTablesType(nlmsg.NFTMsgNewGen))) // as the program loads it
	cfg := nlsock.Config{Groups: []uint32{nlmsg.GroupNFTables}, ReadBuffer: eventBuffer, Filter: []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: 4}, // nlmsg_type
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(wire), Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 1<<32 - 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}}
	return listener{
		dial: func() (*nlsock.Socket, error) {
			sock, err := k.ns.Dial(unix.NETLINK_NETFILTER, cfg)
			return sock, k.explain("listen to changes of the ruleset", err)
		},
		read: readGeneration, forget: func() {},
	}
}

// stream merges what several listeners hear. They are heard by goroutines of their own, which end with it. It ends with what end returns.
func stream(ctx context.Context, end func(context.Context) error, listeners []listener) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		sockets, err := dialAll(listeners)
		if err != nil {
			yield(Event{}, err)
			return
		}
		inner, cancel := context.WithCancel(ctx)
		var running sync.WaitGroup
		defer running.Wait()
		defer cancel()
		steps := make(chan step)
		running.Go(func() {
			err := end(inner)
			select {
			case steps <- step{err: err}:
			case <-inner.Done():
			}
		})
		for i, l := range listeners {
			running.Go(func() { l.follow(inner, sockets[i], steps) })
		}
		if !yield(Event{Kind: EventLost, What: "the subscription stands"}, nil) {
			return
		}
		for {
			select {
			case s := <-steps:
				if !yield(s.event, s.err) || s.err != nil {
					return
				}
			case <-ctx.Done():
				yield(Event{}, ctx.Err())
				return
			}
		}
	}
}

// untilDone waits for the end of ctx.
func untilDone(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// A step is one pair of the stream.
type step struct {
	event Event
	err   error
}

func dialAll(listeners []listener) ([]*nlsock.Socket, error) {
	var sockets []*nlsock.Socket
	for _, l := range listeners {
		s, err := l.dial()
		if err != nil {
			for _, open := range sockets {
				err = errors.Join(err, open.Close())
			}
			return nil, err
		}
		sockets = append(sockets, s)
	}
	return sockets, nil
}

// follow hands on what a socket hears until ctx ends. A socket that fails is replaced, with growing pauses; the stream ends if that
// fails maxTries times without an event in between.
func (l listener) follow(ctx context.Context, sock *nlsock.Socket, to chan<- step) {
	send := func(s step) bool {
		select {
		case to <- s:
			return true
		case <-ctx.Done():
			return false
		}
	}
	var err error
	for try := 0; try < maxTries; try++ {
		if sock != nil {
			var heard bool
			heard, err = l.listen(ctx, sock, send)
			sock.Close()
			if heard {
				try = 0
			}
		}
		if pause(ctx, try) != nil {
			return
		}
		why := err
		if sock, err = l.dial(); err != nil {
			continue
		}
		l.forget()
		if !send(step{event: Event{Kind: EventLost, What: fmt.Sprintf("the subscription was renewed: %v", why)}}) {
			sock.Close()
			return
		}
	}
	if sock != nil {
		sock.Close()
	}
	send(step{err: fmt.Errorf("listen to the kernel: %w", err)})
}

// listen reads one socket until it fails or ctx ends, and tells whether anything was heard.
func (l listener) listen(ctx context.Context, sock *nlsock.Socket, send func(step) bool) (heard bool, err error) {
	for m, err := range sock.Events(ctx) {
		e, news := Event{}, true
		switch {
		case errors.Is(err, nlsock.ErrOverrun):
			l.forget()
			e = Event{Kind: EventLost, What: err.Error()}
		case err != nil:
			return heard, err
		default:
			e, news, err = l.read(m)
			if err != nil {
				e, news = Event{Kind: EventLost, What: err.Error()}, true
			}
		}
		heard = true
		if news && !send(step{event: e}) {
			return heard, ctx.Err()
		}
	}
	return heard, errors.New("the stream of announcements ended")
}

// readGeneration decodes NEWGEN.
func readGeneration(m nlmsg.Message) (Event, bool, error) {
	if m.Type != nlmsg.NFTablesType(nlmsg.NFTMsgNewGen) {
		return Event{}, false, nil
	}
	_, _, b, err := nlmsg.Netfilter(m.Data)
	if err != nil {
		return Event{}, false, err
	}
	e := Event{Kind: EventRuleset}
	var process uint32
	name := "a process without a name"
	err = nlmsg.EachAttr(nlmsg.Native(), b, func(a nlmsg.Attr) (err error) {
		switch a.Type {
		case nlmsg.NFTAGenID:
			e.Generation, err = a.Uint32BE()
		case nlmsg.NFTAGenProcPID:
			process, err = a.Uint32BE()
		case nlmsg.NFTAGenProcName:
			name, err = processName(a)
		}
		return err
	})
	writer := fmt.Sprintf("%s (process %d)", name, process)
	e.What = fmt.Sprintf("generation %d by %s", e.Generation, writer)
	if process != 0 && !isOurThread(process) {
		e.Writer = writer
	}
	return e, err == nil, err
}

// processName is how a process calls itself (TASK_COMM_LEN, include/linux/sched.h), for people to read: it chose the name.
func processName(a nlmsg.Attr) (string, error) {
	const longest = 15
	name := a.String()
	if len(name) > longest {
		return "", fmt.Errorf("%w: the name of a process has %d bytes, more than %d", nlmsg.ErrMalformed, len(name), longest)
	}
	return flowtable.Spelled(name), nil
}

// isOurThread reports whether a process as the kernel tells it, which is a thread, is one of this process.
func isOurThread(id uint32) bool {
	_, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", id))
	return err == nil
}
