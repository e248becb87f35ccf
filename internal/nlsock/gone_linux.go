package nlsock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A grave says whether the name that a namespace was opened by still leads to it. Who holds a namespace open keeps it alive after its name
// was deleted (`ip netns del`), with all that is in it, so this is all that tells.
type grave struct {
	path     string // "" is a namespace that has no name, or whose name nobody knows
	dev, ino uint64
}

// graveOf finds the name of an open namespace: the path that it was opened by, or, where that is one of a descriptor, the one that the descriptor
// was opened by. A path of a process (/proc/1/ns/net) is no name: the process may leave.
func graveOf(path string, file *os.File) grave {
	if strings.HasPrefix(path, "/proc/") {
		link, err := os.Readlink(path)
		if err != nil || !filepath.IsAbs(link) || strings.HasPrefix(link, "/proc/") {
			return grave{}
		}
		path = link
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return grave{}
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return grave{}
	}
	g := grave{path, uint64(st.Dev), st.Ino}
	if g.check() != nil {
		return grave{} // it is none of ours to judge
	}
	return g
}

// check is nil unless the name is gone, or another namespace's.
func (g *grave) check() error {
	if g.path == "" {
		return nil
	}
	var st unix.Stat_t
	err := unix.Stat(g.path, &st)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return fmt.Errorf("%w: %s is gone", ErrGone, g.path)
	case err != nil: // nobody knows
		return nil
	case uint64(st.Dev) != g.dev || st.Ino != g.ino:
		return fmt.Errorf("%w: %s is not its name any more", ErrGone, g.path)
	}
	return nil
}

// Check matches ErrGone where the namespace was deleted. It is let go then, so that it can die.
func (n *Namespace) Check() error {
	err := n.grave.check()
	if err == nil {
		return nil
	}
	return errors.Join(fmt.Errorf("%s: %w", n.Label(), err), n.Close())
}

// Await waits until the namespace was deleted, and then is as Check. Else it is ctx's error, when that ended. Without /proc it waits in vain.
func (n *Namespace) Await(ctx context.Context) error {
	mounts, err := openMounts()
	if err != nil || n.grave.path == "" {
		<-ctx.Done()
		return ctx.Err()
	}
	defer mounts.close()
	defer context.AfterFunc(ctx, func() { _ = mounts.events.SetReadDeadline(time.Unix(1, 0)) })()
	raw, err := mounts.events.SyscallConn()
	if err != nil {
		return err
	}
	var gone error
	_ = raw.Read(func(fd uintptr) bool { // now, and whenever a mount comes or goes
		_, _ = unix.EpollWait(int(fd), make([]unix.EpollEvent, 1), 0)
		gone = n.Check()
		return gone != nil
	})
	if gone != nil {
		return gone
	}
	<-ctx.Done()
	return ctx.Err()
}

// mounts are the mounts of this process: the kernel tells a poll of their list when it changes (mounts_poll in fs/proc_namespace.c).
type mounts struct {
	list   int
	events *os.File // an epoll descriptor, which the runtime's own poller waits for
}

func openMounts() (*mounts, error) {
	list, err := unix.Open("/proc/thread-self/mountinfo", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	events, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, errors.Join(err, unix.Close(list))
	}
	interest := unix.EpollEvent{Events: unix.EPOLLPRI | unix.EPOLLET}
	if err := errors.Join(unix.EpollCtl(events, unix.EPOLL_CTL_ADD, list, &interest), unix.SetNonblock(events, true)); err != nil {
		return nil, errors.Join(err, unix.Close(events), unix.Close(list))
	}
	return &mounts{list, os.NewFile(uintptr(events), "changes of mounts")}, nil
}

func (m *mounts) close() { _ = errors.Join(m.events.Close(), unix.Close(m.list)) }
