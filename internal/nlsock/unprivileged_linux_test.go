package nlsock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// childVariable makes this test binary run one of children instead of the tests, with less privilege.
const childVariable = "FASTPATH_NLSOCK_CHILD"

var children = map[string]func(context.Context) error{
	"small buffer": childSmallBuffer,
	"nobody":       childNobody,
}

func runChild(name string) int {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := children[name](ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// startChild runs a child and requires that it reports success.
func startChild(t *testing.T, name string, attr *syscall.SysProcAttr) {
	t.Helper()
	// Not os.Executable: the directory of the test binary may be closed to others.
	cmd := exec.CommandContext(testContext(t), "/proc/self/exe")
	cmd.Env = append(os.Environ(), childVariable+"="+name)
	cmd.SysProcAttr = attr
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// In a user namespace of its own a process may write nf_tables, but not enlarge socket buffers beyond net.core.wmem_max.
func TestSendBufferTooSmall(t *testing.T) {
	testns.RequireNamespaces(t)
	startChild(t, "small buffer", &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	})
}

func childSmallBuffer(ctx context.Context) error {
	ns, err := OpenNamespace("")
	if err != nil {
		return err
	}
	s, err := ns.Dial(unix.NETLINK_NETFILTER, Config{})
	if err != nil {
		return err
	}
	for _, tables := range []int{1, 1 << 18} {
		b := newBatch(nlmsg.SubsysNFTables, 0)
		for i := range tables {
			b.table(fmt.Sprintf("%s%d", longName, i%10), 0)
		}
		bytes := b.end()
		_, err := s.Commit(ctx, bytes, b.messages)
		if tables == 1 && err != nil {
			return fmt.Errorf("a small batch: %w", err)
		}
		if tables > 1 && !errors.Is(err, ErrSendBuffer) {
			return fmt.Errorf("a batch of %d bytes: want ErrSendBuffer, have: %v", len(bytes), err)
		}
	}
	// Nothing was sent: the one table is all there is, and the socket is usable.
	found := 0
	for _, err := range s.Dump(ctx, request(getTable, nlmsg.FlagDump, 0, nil)) {
		if err != nil {
			return err
		}
		found++
	}
	if found != 1 {
		return fmt.Errorf("%d tables, want 1", found)
	}
	return errors.Join(s.Close(), ns.Close())
}

// Without privilege the kernel answers a batch with EPERM on BATCH_BEGIN's sequence, and groups cannot be joined.
func TestNobody(t *testing.T) {
	testns.RequireNamespaces(t)
	startChild(t, "nobody", &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET,
		Credential: &syscall.Credential{Uid: 65534, Gid: 65534},
	})
}

func childNobody(ctx context.Context) error {
	ns, err := OpenNamespace("")
	if err != nil {
		return err
	}
	s, err := ns.Dial(unix.NETLINK_NETFILTER, Config{})
	if err != nil {
		return err
	}
	b := newBatch(nlmsg.SubsysNFTables, 0)
	b.table("one", nlmsg.FlagAck)
	acks, err := s.Commit(ctx, b.end(), b.messages)
	if err != nil {
		return err
	}
	if len(acks) != 1 || acks[0].Errno != int32(unix.EPERM) {
		return fmt.Errorf("want one EPERM, have %v", acks)
	}
	if _, err := s.Do(ctx, request(getGen, nlmsg.FlagAck, 0, nil)); !errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("a request: want EPERM, have %v", err)
	}
	if _, err := ns.Dial(unix.NETLINK_NETFILTER, Config{Groups: []uint32{nlmsg.GroupNFTables}}); !errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("join a group: want EPERM, have %v", err)
	}
	return errors.Join(s.Close(), ns.Close())
}
