package kernel

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/runlock"
)

// A rival holds the lock, or asks for it.
type rival struct {
	runlock.Claim
	table string
	asks  bool
}

// rival is who is before us: the holder, or else another who asks. nil is nobody.
func (e *entrant) rival(ctx context.Context) (*rival, error) {
	name := runlock.Table(e.owner)
	c, err := e.k.claim(ctx, name)
	asks := err == nil && c == nil && !e.asking
	if asks {
		name = runlock.Request(e.owner)
		c, err = e.k.claim(ctx, name)
	}
	if c == nil || err != nil {
		return nil, e.k.explain(fmt.Sprintf("look for the lock of owner %q", e.owner), err)
	}
	return &rival{*c, name, asks}, nil
}

// claim reads a lock or request; nil is none.
func (k *Kernel) claim(ctx context.Context, name string) (*runlock.Claim, error) {
	sock, err := k.dial()
	if err != nil {
		return nil, err
	}
	defer sock.Close()
	answer, err := sock.Do(ctx, runlock.Get(name))
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil, nil
	case errors.Is(err, unix.EINVAL): // most likely there is no nf_tables, which this tells
		if _, err := k.GenerationID(ctx); err != nil {
			return nil, err
		}
	case err == nil && len(answer) == 0:
		err = fmt.Errorf("%w: the kernel answers GETTABLE without a table", nlmsg.ErrMalformed)
	}
	if err != nil {
		return nil, fmt.Errorf("read the table inet %s: %w", name, err)
	}
	c, err := runlock.Read(answer[0])
	if err != nil {
		return nil, fmt.Errorf("read the table inet %s: %w", name, err)
	}
	return &c, nil
}

// whoHas names the process that holds a table. A socket's port mostly is the number of its process and need not be; a comment says what
// its writer liked. So the one or the other is believed only if that process has the socket.
func (k *Kernel) whoHas(c *rival) string {
	link := fmt.Sprintf("socket:[%s]", k.inodeOf(c.Port))
	for _, process := range []int{int(int32(c.Port)), c.Process} {
		if process > 0 && holds(process, link) {
			return fmt.Sprintf("process %d", process)
		}
	}
	if c.Process > 0 {
		return fmt.Sprintf("a process that calls itself process %d (netlink port %d)", c.Process, c.Port)
	}
	return fmt.Sprintf("an unknown process (netlink port %d)", c.Port)
}

// inodeOf is that of the socket with a port, in the namespace; "" if it is not to be found.
func (k *Kernel) inodeOf(port uint32) (inode string) {
	_ = k.ns.Do(func() error {
		f, err := os.Open("/proc/thread-self/net/netlink")
		if err != nil {
			return err
		}
		defer f.Close()
		inode = findInode(f, unix.NETLINK_NETFILTER, port)
		return nil
	})
	return inode
}

// findInode looks for the socket of a protocol with a port in /proc/net/netlink: sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode.
func findInode(list io.Reader, protocol int, port uint32) (inode string) {
	for lines := bufio.NewScanner(list); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 || fields[1] != strconv.Itoa(protocol) || fields[2] != strconv.FormatUint(uint64(port), 10) {
			continue
		}
		if _, err := strconv.ParseUint(fields[9], 10, 64); err == nil {
			inode = fields[9]
		}
	}
	return inode
}

// holds reports whether a process has a descriptor of a socket, as far as this one may look.
func holds(process int, link string) bool {
	folder := fmt.Sprintf("/proc/%d/fd", process)
	files, _ := os.ReadDir(folder)
	for _, f := range files {
		if to, err := os.Readlink(filepath.Join(folder, f.Name())); err == nil && to == link {
			return true
		}
	}
	return false
}
