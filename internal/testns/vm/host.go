package vm

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// RunHost runs `go test` on this machine and reports it like a kernel. Every
// skip is allowed here, and listed with its reason.
func (m *Module) RunHost(ctx context.Context, patterns, flags []string, verbose bool, w io.Writer) Summary {
	s := m.goTest(ctx, nil, patterns, flags, verbose, w)
	s.Name, s.Detail = "host", hostRelease()
	s.Result.WriteDetails(w)
	return s
}

// goTest runs `go test` with what env adds to the environment, and counts.
func (m *Module) goTest(ctx context.Context, env, patterns, flags []string, verbose bool, w io.Writer) (s Summary) {
	args := append([]string{"test", "-json", "-count=1"}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, patterns...)...)
	cmd.Dir = m.Dir
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = w
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		s.Err = err
		s.Result.fail("go test", err.Error())
		return s
	}
	c := newCollector()
	c.shorten = m.short
	readErr := c.read(out, func(e event) { m.progress(w, e, verbose) })
	if readErr != nil {
		io.Copy(io.Discard, out)
	}
	waitErr := cmd.Wait()
	s.Result = c.result()
	switch {
	case readErr != nil:
		s.Result.fail("go test", readErr.Error())
	case waitErr != nil && s.Result.Failed == 0:
		s.Result.fail("go test", waitErr.Error())
	case s.Result.Passed+s.Result.Failed == 0:
		s.Result.fail("go test", "no test ran")
	}
	return s
}

func (m *Module) progress(w io.Writer, e event, verbose bool) {
	switch {
	case verbose && e.Action == "output":
		io.WriteString(w, e.Output)
	case e.Test == "" && (e.Action == "pass" || e.Action == "fail"):
		fmt.Fprintf(w, "%-4s %s\n", strings.NewReplacer("pass", "ok", "fail", "FAIL").Replace(e.Action), m.short(e.Package))
	}
}

func hostRelease() string {
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
