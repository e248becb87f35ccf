package kernel

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// A held lock listens to those who want it.
type held struct {
	listener *net.UnixListener
	lost     chan struct{}
	asked    sync.Once
	running  sync.WaitGroup

	mu       sync.Mutex
	released bool
	waiting  map[*net.UnixConn]bool
}

func hold(listener *net.UnixListener) *held {
	h := &held{listener: listener, lost: make(chan struct{}), waiting: map[*net.UnixConn]bool{}}
	h.running.Go(h.accept)
	return h
}

// accept lets in those who are trusted, until the listener is closed.
func (h *held) accept() {
	for {
		conn, err := h.listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // no descriptors left, most likely
			time.Sleep(100 * time.Millisecond)
			continue
		}
		peer, err := peerOf(conn)
		if err != nil || !trusted(peer) || !h.keep(conn) {
			conn.Close()
			continue
		}
		h.running.Go(func() { h.hear(conn) })
	}
}

// hear waits for what a newcomer says. Who asks for the lock is kept waiting until release closes the connection.
func (h *held) hear(conn *net.UnixConn) {
	said := make([]byte, len(leave))
	if _, err := io.ReadFull(conn, said); err == nil && string(said) == leave {
		h.asked.Do(func() { close(h.lost) })
		_, _ = io.Copy(io.Discard, conn) // until it gives up, or release
	}
	h.mu.Lock()
	delete(h.waiting, conn)
	h.mu.Unlock()
	conn.Close()
}

// keep remembers a connection for release.
func (h *held) keep(conn *net.UnixConn) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.released {
		return false
	}
	h.waiting[conn] = true
	return true
}

// release gives the lock back. Those who wait learn it when the address is free.
func (h *held) release() error {
	h.mu.Lock()
	again := h.released
	h.released = true
	err := h.listener.Close()
	for conn := range h.waiting {
		conn.Close()
	}
	h.mu.Unlock()
	h.running.Wait()
	if again {
		return nil
	}
	return err
}
