package kernel

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// childVariable makes this test binary do one thing in a process of its own, instead of the tests. It says "ready" and ends with its
// input.
const childVariable = "FASTPATH_KERNEL_CHILD"

// What a child can do in its network namespace.
const (
	childHolds    = "holds"    // takes the lock
	childOccupies = "occupies" // binds the lock's address and listens to nobody
	childAsks     = "asks"     // asks the lock's holder to leave
	childProbes   = "probes"   // asks drivers until it is killed
	childOwner    = "child"
)

func runChild(what string) int {
	if err := child(what); err != nil {
		fmt.Fprintln(os.Stderr, what+":", err)
		return 1
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

func child(what string) error {
	address := &net.UnixAddr{Name: lockAddress(childOwner), Net: "unix"}
	switch what {
	case childHolds:
		k, err := Open("")
		if err != nil {
			return err
		}
		_, _, err = k.Lock(context.Background(), childOwner, false)
		return err
	case childProbes:
		k, err := Open("")
		if err != nil {
			return err
		}
		go func() {
			for {
				_, _ = k.Probe(context.Background(), []string{"hwa", "hwb"}, false)
			}
		}()
		return nil
	case childOccupies:
		_, err := net.ListenUnix("unix", address)
		return err
	case childAsks:
		conn, err := net.DialUnix("unix", nil, address)
		if err != nil {
			return err
		}
		_, _ = io.WriteString(conn, leave)
		_, err = conn.Read(make([]byte, 1))
		if err == nil {
			return fmt.Errorf("the holder answered")
		}
		return nil
	}
	return fmt.Errorf("no such child")
}

// startChild starts a child in a namespace, as a user, and returns when it is ready. end ends it by a signal.
func startChild(t *testing.T, ns *testns.Namespace, what string, uid uint32) (cmd *exec.Cmd, end func(syscall.Signal)) {
	t.Helper()
	cmd = exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), childVariable+"="+what)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, ns.Start(cmd))
	ended := false
	end = func(sig syscall.Signal) {
		if !ended {
			ended = true
			_ = cmd.Process.Signal(sig)
			in.Close()
			_ = cmd.Wait()
		}
	}
	t.Cleanup(func() { end(syscall.SIGKILL) })
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", line)
	return cmd, end
}
