package conntrack

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlsock"
)

// take hands out an idle socket, or a new one.
func (k *kernel) take() (*nlsock.Socket, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.ns.Check(); err != nil && !k.closed {
		for _, s := range k.idle { // they would keep it alive
			err = errors.Join(err, s.Close())
		}
		k.idle = nil
		return nil, err
	}
	if n := len(k.idle); n > 0 {
		s := k.idle[n-1]
		k.idle = k.idle[:n-1]
		k.busy[s] = true
		return s, nil
	}
	return k.dial(nlsock.Config{Quiet: true})
}

// dial opens a socket that Close will end. The caller holds mu, so that the namespace stays open meanwhile.
func (k *kernel) dial(cfg nlsock.Config) (*nlsock.Socket, error) {
	if k.closed {
		return nil, fmt.Errorf("the watcher: %w", os.ErrClosed)
	}
	s, err := k.ns.Dial(unix.NETLINK_NETFILTER, cfg)
	if err != nil {
		return nil, err
	}
	k.busy[s] = true
	return s, nil
}

// give takes a socket back; one with an answer still under way is closed.
func (k *kernel) give(s *nlsock.Socket, clean bool) {
	k.mu.Lock()
	if clean && !k.closed && k.ns.Check() == nil && len(k.idle) < maxIdle {
		delete(k.busy, s)
		k.idle = append(k.idle, s)
		k.mu.Unlock()
		return
	}
	k.mu.Unlock()
	k.drop(s)
}

// drop closes a socket.
func (k *kernel) drop(s *nlsock.Socket) error {
	k.mu.Lock()
	delete(k.busy, s)
	closed := k.closed
	k.mu.Unlock()
	if closed {
		return nil // Close has seen to it
	}
	return s.Close()
}

// Close ends everything under way.
func (k *kernel) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil
	}
	k.closed = true
	err := k.ns.Close()
	for _, s := range k.idle {
		err = errors.Join(err, s.Close())
	}
	for s := range k.busy {
		err = errors.Join(err, s.Close())
	}
	k.idle = nil
	return err
}
