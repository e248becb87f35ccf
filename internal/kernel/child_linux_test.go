package kernel

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/runlock"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// childVariable makes this test binary do one thing in a process of its own, instead of the tests. It says "ready", and ends with its
// input.
const childVariable = "FASTPATH_KERNEL_CHILD"

// What a child can do in its network namespace.
const (
	childHolds   = "holds"   // takes the lock, and answers each line of its input: "held", or "lost" when it was asked to leave
	childAsks    = "asks"    // makes the request for the lock, and keeps it
	childMeddles = "meddles" // tries all it can against the lock, without the right to do so
	childProbes  = "probes"  // asks drivers until it is killed
	childOwner   = "child"
)

func runChild(what string) int {
	if err := child(what); err != nil {
		fmt.Fprintln(os.Stderr, what+":", err)
		return 1
	}
	return 0
}

func child(what string) error {
	k, err := Open("")
	if err != nil {
		return err
	}
	ctx := context.Background()
	switch what {
	case childHolds:
		lost, _, err := k.Lock(ctx, childOwner, false)
		if err != nil {
			return err
		}
		fmt.Println("ready")
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			select {
			case <-lost:
				fmt.Println("lost")
			default:
				fmt.Println("held")
			}
		}
		return nil
	case childProbes:
		go func() {
			for {
				_, _ = k.Probe(ctx, []string{"hwa", "hwb"}, false)
			}
		}()
	case childAsks:
		sock, err := k.dial()
		if err != nil {
			return err
		}
		e := &entrant{k: k, sock: sock, owner: childOwner, comment: "x"}
		if err := e.ask(ctx); err != nil || !e.asking {
			return fmt.Errorf("asking %v: %w", e.asking, err)
		}
		defer sock.Close()
	case childMeddles:
		if err := meddle(ctx, k); err != nil {
			return err
		}
	default:
		return fmt.Errorf("no such child")
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return nil
}

// meddle tries to take, to release, to occupy and to be asked for the lock.
func meddle(ctx context.Context, k *Kernel) error {
	for _, takeover := range []bool{false, true} {
		_, release, err := k.Lock(ctx, childOwner, takeover)
		if err == nil {
			return fmt.Errorf("it got the lock, and could release it: %v", release())
		}
		if err := says(err, fs.ErrPermission, "CAP_NET_ADMIN"); err != nil {
			return err
		}
	}
	for _, request := range []bool{false, true} {
		sock, err := k.dial()
		if err != nil {
			return err
		}
		b := runlock.Take(childOwner, "x", false, 0)
		if request {
			b = runlock.Ask(childOwner, "x")
		}
		acks, err := sock.Commit(ctx, b.Bytes, b.Messages)
		sock.Close()
		if verdict(acks, err) == nil {
			return fmt.Errorf("the kernel took a batch")
		}
	}
	return takePort(uint32(os.Getppid()))
}

// takePort tries to be the socket with a port, of whatever protocol, and closes it: the kernel would delete what that socket owns.
func takePort(port uint32) error {
	for _, protocol := range []int{unix.NETLINK_NETFILTER, unix.NETLINK_ROUTE, unix.NETLINK_GENERIC} {
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
		if err != nil {
			return err
		}
		err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: port})
		if protocol == unix.NETLINK_NETFILTER && err != unix.EADDRINUSE {
			return fmt.Errorf("bind the port %d of the lock: %w", port, err)
		}
		if err := unix.Close(fd); err != nil {
			return err
		}
	}
	return nil
}

// A childProcess is one of these, ready.
type childProcess struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	end func(syscall.Signal) // ends it by a signal
}

// startChild starts a child in a namespace, as a user, and returns when it is ready.
func startChild(t *testing.T, ns *testns.Namespace, what string, attr *syscall.SysProcAttr) *childProcess {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), childVariable+"="+what)
	cmd.SysProcAttr = attr
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, ns.Start(cmd))
	c := &childProcess{cmd: cmd, in: in, out: bufio.NewReader(out)}
	ended := false
	c.end = func(sig syscall.Signal) {
		if !ended {
			ended = true
			_ = cmd.Process.Signal(sig)
			in.Close()
			_ = cmd.Wait()
		}
	}
	t.Cleanup(func() { c.end(syscall.SIGKILL) })
	c.says(t, "ready")
	return c
}

// says waits for the child's next line.
func (c *childProcess) says(t *testing.T, want string) {
	t.Helper()
	line, err := c.out.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, want+"\n", line)
}

// asked is what the holder of the lock answers.
func (c *childProcess) asked(t *testing.T, want string) {
	t.Helper()
	_, err := io.WriteString(c.in, "?\n")
	require.NoError(t, err)
	c.says(t, want)
}
