package kernel

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	lockName = "fastpath-run/"
	lockRoom = 80        // bytes of an owner's name that are spelled out; the address has room for 107
	leave    = "leave\n" // what who wants the lock says to its holder
)

// Lock takes an owner's lock. It is a unix socket of an abstract address that names the owner: such addresses belong to the network
// namespace, and are free again when their process ends, however it ends. Where another holds it, the error matches ErrRunning and
// names the process; with takeover that one is asked to leave, and waited for until it has. Whoever is asked sees lost
// closed, and holds the lock until release. Only root and the user that this process runs as are listened to.
func (k *Kernel) Lock(ctx context.Context, owner string, takeover bool) (lost <-chan struct{}, release func() error, err error) {
	address := lockAddress(owner)
	for try := 0; ; try++ {
		if err := pause(ctx, min(try, maxTries)); err != nil {
			return nil, nil, fmt.Errorf("wait for the lock of owner %q: %w", owner, err)
		}
		listener, err := k.bind(address)
		if err == nil {
			held := hold(listener)
			return held.lost, held.release, nil
		}
		if !errors.Is(err, unix.EADDRINUSE) {
			return nil, nil, fmt.Errorf("take the lock of owner %q in %s: %w", owner, k.ns.Label(), err)
		}
		if try, err = k.meetHolder(ctx, address, owner, takeover, try); err != nil {
			return nil, nil, err
		}
	}
}

// lockAddress is the abstract address of an owner's lock; a long name is told by its hash.
func lockAddress(owner string) string {
	if len(owner) > lockRoom {
		owner = fmt.Sprintf("%x", sha256.Sum256([]byte(owner)))
	}
	return "@" + lockName + owner
}

func (k *Kernel) bind(address string) (listener *net.UnixListener, err error) {
	err = k.ns.Do(func() (err error) {
		listener, err = net.ListenUnix("unix", &net.UnixAddr{Name: address, Net: "unix"})
		return err
	})
	return listener, err
}

// meetHolder finds out who holds a lock and, with takeover, asks it to leave and waits until it has. No error says: try again. Then the
// count of tries in a row begins anew, unless there was nobody to be met.
func (k *Kernel) meetHolder(ctx context.Context, address, owner string, takeover bool, try int) (int, error) {
	var conn *net.UnixConn
	err := k.ns.Do(func() (err error) {
		conn, err = net.DialUnix("unix", nil, &net.UnixAddr{Name: address, Net: "unix"})
		return err
	})
	if busy := errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.EAGAIN); busy && (takeover || try < maxTries) {
		return try, nil // it is just leaving, or very busy
	} else if busy {
		return 0, fmt.Errorf("%w: in %s a process occupies the lock of owner %q and does not listen: %w", ErrRunning, k.ns.Label(), owner, err)
	}
	if err != nil {
		return 0, fmt.Errorf("meet the holder of the lock of owner %q in %s: %w", owner, k.ns.Label(), err)
	}
	defer conn.Close()
	peer, err := peerOf(conn)
	switch {
	case err != nil:
		return 0, fmt.Errorf("meet the holder of the lock of owner %q in %s: %w", owner, k.ns.Label(), err)
	case !trusted(peer):
		return 0, fmt.Errorf("%w: in %s a process of another user (process %d, user %d) occupies the lock of owner %q; end it, or use another owner",
			ErrRunning, k.ns.Label(), peer.Pid, peer.Uid, owner)
	case !takeover:
		return 0, fmt.Errorf("%w: process %d does so for owner %q in %s; end it, or ask for a takeover", ErrRunning, peer.Pid, owner, k.ns.Label())
	}
	if err := askToLeave(ctx, conn); err != nil {
		return 0, fmt.Errorf("wait until process %d leaves the lock of owner %q in %s: %w", peer.Pid, owner, k.ns.Label(), err)
	}
	return 0, nil
}

// askToLeave says so to a holder and waits until the connection ends, which it does with the hold.
func askToLeave(ctx context.Context, conn *net.UnixConn) error {
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := io.WriteString(conn, leave); err != nil {
		return ctx.Err() // it has left
	}
	_, _ = io.Copy(io.Discard, conn) // ended, reset, or ctx: whatever it is, the lock tells
	return ctx.Err()
}

// peerOf says who is at the other end of a connection.
func peerOf(conn *net.UnixConn) (*unix.Ucred, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var peer *unix.Ucred
	cerr := raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	return peer, errors.Join(cerr, err)
}

func trusted(peer *unix.Ucred) bool { return peer.Uid == 0 || int(peer.Uid) == os.Geteuid() }
