package imagetest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// A loading is one run of the loader.
type loading struct {
	status int
	said   string // on standard error
	peak   int    // KiB of memory resident at most
	took   time.Duration
}

// load runs the loader with an image of dir inside a namespace.
func load(t *testing.T, ns *testns.Namespace, dir, image string, devices ...string) loading {
	t.Helper()
	said, err := os.Create(filepath.Join(t.TempDir(), "said"))
	require.NoError(t, err)
	defer said.Close()
	var r loading
	require.NoError(t, ns.Do(func() error {
		cmd := exec.Command(filepath.Join(dir, "loader"), append([]string{filepath.Join(dir, image)}, devices...)...)
		cmd.Stderr = said
		start := time.Now()
		err := r.follow(cmd)
		r.took = time.Since(start)
		return err
	}))
	_, err = said.Seek(0, io.SeekStart)
	require.NoError(t, err)
	text, err := io.ReadAll(said)
	require.NoError(t, err)
	r.said = string(text)
	return r
}

// follow runs cmd to its end and looks at its memory when it is about to exit. (The peak that wait4 tells is that of the process that
// started it, if that was larger: a child has its parent's memory until it executes its program.) It must keep its thread.
func (r *loading) follow(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer cmd.Process.Release()
	pid := cmd.Process.Pid
	var status unix.WaitStatus
	if _, err := wait(pid, &status); err != nil {
		return err
	}
	if err := unix.PtraceSetOptions(pid, unix.PTRACE_O_TRACEEXIT|unix.PTRACE_O_EXITKILL); err != nil {
		return fmt.Errorf("follow the loader: %w", err)
	}
	for signal := 0; ; {
		if err := unix.PtraceCont(pid, signal); err != nil {
			return fmt.Errorf("follow the loader: %w", err)
		}
		if _, err := wait(pid, &status); err != nil {
			return err
		}
		signal = 0
		switch {
		case status.Exited():
			r.status = status.ExitStatus()
			return nil
		case status.Signaled():
			return fmt.Errorf("the loader was killed by %v", status.Signal())
		case status.TrapCause() == unix.PTRACE_EVENT_EXIT:
			peak, err := peakOf(pid)
			if err != nil {
				return err
			}
			r.peak = peak
		case status.Stopped() && status.StopSignal() != unix.SIGTRAP:
			signal = int(status.StopSignal())
		}
	}
}

func wait(pid int, status *unix.WaitStatus) (int, error) {
	for {
		if n, err := unix.Wait4(pid, status, 0, nil); !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// peakOf is the most memory that a process has had resident, in KiB.
func peakOf(pid int) (peak int, err error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			_, err := fmt.Sscan(value, &peak)
			return peak, err
		}
	}
	return 0, errors.New("the loader's status names no VmHWM")
}

// TestLoaderIsSmall measures the loader on every image, and leaves what it saw in $FASTPATH_OUT. The limits are those of
// docs/firmware.md.
func TestLoaderIsSmall(t *testing.T) {
	dir := folder(t)
	own, _ := orders()
	var peaks []int
	var times []time.Duration
	for _, name := range names(t, dir) {
		ns := appliance(t, dir, name)
		for range 3 {
			r := load(t, ns, dir, name+"."+own+".image")
			require.Zero(t, r.status, r.said)
			require.NotZero(t, r.peak, "it was looked at before it ended")
			peaks, times = append(peaks, r.peak), append(times, r.took)
		}
	}
	st, err := os.Stat(filepath.Join(dir, "loader"))
	require.NoError(t, err)
	assert.Less(t, st.Size(), int64(2_000_000), "bytes of the loader")
	assert.Less(t, slices.Max(peaks), 4096, "KiB resident")
	slices.Sort(times)
	measured := fmt.Sprintf("loader: %d bytes, %d to %d KiB resident, %v to %v (%d runs)\n", st.Size(), slices.Min(peaks), slices.Max(peaks),
		times[0].Round(time.Millisecond), times[len(times)-1].Round(time.Millisecond), len(times))
	t.Log(measured)
	if out := os.Getenv("FASTPATH_OUT"); out != "" {
		require.NoError(t, os.WriteFile(filepath.Join(out, "measured.txt"), []byte(measured), 0o644))
	}
}
