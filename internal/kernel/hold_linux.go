package kernel

import (
	"context"
	"encoding/binary"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/nlsock"
	"github.com/go-fastpath/fastpath/internal/runlock"
)

// A held lock is a table that lives as long as sock.
type held struct {
	k       *Kernel
	sock    *nlsock.Socket
	table   string
	request string // the table by which somebody else asks for the lock
	lost    chan struct{}
	stop    context.CancelFunc
	running sync.WaitGroup
	once    sync.Once
}

func (k *Kernel) hold(sock *nlsock.Socket, owner string) *held {
	ctx, cancel := context.WithCancel(context.Background())
	h := &held{k: k, sock: sock, table: runlock.Table(owner), request: runlock.Request(owner), lost: make(chan struct{}), stop: cancel}
	h.running.Go(func() {
		if h.wait(ctx) {
			close(h.lost)
		}
	})
	return h
}

// wait waits until somebody asks for the lock; it is false if ctx ended before. An announcement says no more than that it is time to look,
// as does the loss of one: the request has to stand, and to be held by a socket. Whoever took it back, or died, asks no more.
func (h *held) wait(ctx context.Context) bool {
	for try := 0; ; try = min(try+1, maxTries) {
		for _, err := range stream(ctx, untilDone, []listener{h.k.listenToTable(h.request)}) {
			if err != nil {
				break
			}
			c, err := h.k.claim(ctx, h.request)
			if err != nil {
				break // look again when the next subscription stands
			}
			if try = 0; c != nil && c.Owned {
				return true
			}
		}
		if pause(ctx, try) != nil {
			return false
		}
	}
}

// release gives the lock back: the kernel deletes the table when its socket is closed, and tells nobody.
func (h *held) release() (err error) {
	h.once.Do(func() {
		port := uint32(0)
		if c, _ := h.k.claim(context.Background(), h.table); c != nil {
			port = c.Port
		}
		err = h.sock.Close()
		h.stop()
		h.running.Wait()
		h.untilGone(port)
	})
	return err
}

// untilGone waits for the end of the socket. A child that this process starts has a copy of the descriptor, until it has executed its program.
func (h *held) untilGone(port uint32) {
	for try := range maxTries {
		c, err := h.k.claim(context.Background(), h.table)
		if err != nil || c == nil || !c.Owned || c.Port != port || pause(context.Background(), try) != nil {
			return
		}
	}
}

// listenToTable subscribes to the creation of a table, in a transaction that begins with it: nothing else is let into the socket, so that
// nobody is woken by what others do. The kernel writes the name first, and fills its last word with zeros (nf_tables_fill_table_info).
func (k *Kernel) listenToTable(name string) listener {
	const typeAt, nameAt = 4, 24 // netlink header, nfgenmsg, the attribute's header
	o := nlmsg.Native()
	words := []struct{ at, size, want uint32 }{
		{typeAt, unix.BPF_H, uint32(binary.BigEndian.Uint16(o.AppendUint16(nil, nlmsg.NFTablesType(nlmsg.NFTMsgNewTable))))},
	}
	padded := append([]byte(name), make([]byte, 4-len(name)%4)...)
	for i := 0; i < len(padded); i += 4 {
		words = append(words, struct{ at, size, want uint32 }{uint32(nameAt + i), unix.BPF_W, binary.BigEndian.Uint32(padded[i:])})
	}
	var program []unix.SockFilter
	for i, w := range words {
		refuse := uint8(2*(len(words)-i) - 1) // instructions to pass over
		program = append(program,
			unix.SockFilter{Code: uint16(unix.BPF_LD | w.size | unix.BPF_ABS), K: w.at},
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: w.want, Jf: refuse})
	}
	program = append(program, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 1<<32 - 1}, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0})
	cfg := nlsock.Config{Groups: []uint32{nlmsg.GroupNFTables}, Filter: program}
	return listener{
		dial: func() (*nlsock.Socket, error) {
			sock, err := k.ns.Dial(unix.NETLINK_NETFILTER, cfg)
			return sock, k.explain("listen for who asks for the lock", err)
		},
		read:   func(nlmsg.Message) (Event, bool, error) { return Event{Kind: EventRuleset}, true, nil },
		forget: func() {},
	}
}
