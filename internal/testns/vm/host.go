package vm

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-fastpath/fastpath/internal/testns/vm/wire"
)

// RunHost runs the tests of packages on this machine and reports them like a kernel. The binaries
// are those that its kernels get. Every skip is allowed here, and listed with its reason.
func (m *Module) RunHost(ctx context.Context, c *Cache, patterns []string, o TestOptions, w io.Writer) Summary {
	s := m.testHere(ctx, c, amd64(), nil, patterns, o, w)
	s.Name, s.Detail = "host", hostRelease()
	s.Result.WriteDetails(w)
	return s
}

// testHere builds test binaries for a processor and runs them on this machine, below runner where
// that is not empty.
func (m *Module) testHere(ctx context.Context, c *Cache, p *processor, runner, patterns []string, o TestOptions, w io.Writer) (s Summary) {
	t, err := m.buildTestsOf(ctx, c, p, patterns)
	if err != nil {
		s.Err = err
		s.Result.fail("build", err.Error())
		return s
	}
	defer t.Close()
	h := &hostRunner{tests: t, runner: runner, options: o, w: w}
	s.Result, s.Err = h.run(ctx)
	switch {
	case s.Err != nil:
		s.Result.fail("run", s.Err.Error())
	case s.Result.Passed+s.Result.Failed == 0:
		s.Result.fail("run", "no test ran")
	}
	return s
}

// hostRunner runs test binaries on this machine, as many at a time as it has processors.
type hostRunner struct {
	tests   *Tests
	runner  []string
	options TestOptions
	w       io.Writer
}

// run begins with the packages that have most tests: one that is long and comes last keeps all
// processors but one waiting.
func (h *hostRunner) run(ctx context.Context) (Result, error) {
	pkgs := slices.Clone(h.tests.pkgs)
	slices.SortStableFunc(pkgs, func(a, b *testPackage) int { return cmp.Compare(b.testBytes(), a.testBytes()) })
	results, errs := make([]Result, len(pkgs)), make([]error, len(pkgs))
	next := make(chan int)
	var wg sync.WaitGroup
	for range runtime.NumCPU() {
		wg.Go(func() {
			for i := range next {
				results[i], errs[i] = h.one(ctx, pkgs[i])
			}
		})
	}
	for i := range pkgs {
		next <- i
	}
	close(next)
	wg.Wait()
	var sum Result
	for _, r := range results {
		sum.Add(r)
	}
	return sum, errors.Join(append(errs, ctx.Err())...)
}

// testBytes is how long the sources of a package's tests are.
func (p *testPackage) testBytes() (sum int64) {
	for _, f := range slices.Concat(p.TestGoFiles, p.XTestGoFiles) {
		if st, err := os.Stat(filepath.Join(p.Dir, f)); err == nil {
			sum += st.Size()
		}
	}
	return sum
}

// one runs the tests of one package in its folder and says in a line how it went.
func (h *hostRunner) one(ctx context.Context, p *testPackage) (Result, error) {
	timeout := cmp.Or(h.options.Timeout, defaultTimeout)
	ctx, cancel := context.WithTimeout(ctx, timeout+30*time.Second)
	defer cancel()
	argv := append(slices.Clone(h.runner), h.options.argv(p.binary, h.options.Run)...)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var out bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.Dir, &out, &out
	cmd.Env = append(append(os.Environ(), "PWD="+p.Dir), h.options.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second // a child that keeps the output open must not hang the run
	start := time.Now()
	err := cmd.Run()
	status := wire.ExitStatus{Seconds: time.Since(start).Seconds()}
	var used time.Duration
	if state := cmd.ProcessState; state != nil {
		used, status.Code = state.UserTime()+state.SystemTime(), state.ExitCode()
	}
	if err != nil && status.Code <= 0 || ctx.Err() != nil {
		status.Code, status.Err = 125, fmt.Sprintf("the test program: %v", err)
	}
	if h.options.Verbose {
		h.w.Write(bytes.ReplaceAll(out.Bytes(), []byte{0x16}, nil))
	}
	return h.tests.count(p, status, used, out.Bytes(), h.w)
}

func hostRelease() string {
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
