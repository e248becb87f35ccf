package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// Summary is the outcome of one tier: the host, or one kernel.
type Summary struct {
	Name   string // "host", or "kernel 6.1"
	Detail string // exact versions, may be empty
	Result Result
	NotRun string // why it could not run; empty if it did
	Err    error  // the run itself broke
}

// OK says that the tier ran and nothing failed.
func (s Summary) OK() bool { return s.NotRun == "" && s.Err == nil && s.Result.Failed == 0 }

// String is the one line that a tier is reported with.
func (s Summary) String() string {
	if s.NotRun != "" {
		return fmt.Sprintf("%s: NOT RUN: %s", s.Name, s.NotRun)
	}
	r := s.Result
	line := fmt.Sprintf("%s: %d passed, %d failed, %d skipped", s.Name, r.Passed, r.Failed, r.Skipped)
	if n := len(r.LeftToHost); n > 0 {
		line += fmt.Sprintf(", %d that need no kernel left to the host", n)
	}
	if s.Detail != "" {
		line += " (" + s.Detail + ")"
	}
	return line
}

// FailedLines names what failed, one line each: the tier, the test, and the first line that tells why.
func (s Summary) FailedLines() []string {
	var lines []string
	for _, f := range s.Result.Failures {
		lines = append(lines, strings.TrimSuffix(fmt.Sprintf("FAILED %s: %s: %s", s.Name, f.Name(), f.reason()), ": "))
	}
	return lines
}

// HeldAgainst makes a failure of each test that was left to the host and that the host did not run whole.
func (s *Summary) HeldAgainst(host Summary) {
	for _, o := range s.Result.LeftToHost {
		if !host.Result.Ran[o.Name()] {
			s.Result.Failed++
			o.Text = "left to the host, which did not run it\n"
			s.Result.Failures = append(s.Result.Failures, o)
		}
	}
}

// parts is how many boots share the packages of one kernel, so that several kernels keep all of the host's processors busy to the
// end.
const parts = 2

// Matrix runs tests on several kernels, several machines at a time.
type Matrix struct {
	Cache   *Cache
	Module  *Module
	Options TestOptions
	Out     io.Writer
}

// Run prepares and boots each kernel and returns the summaries in the order of
// the names. An error means that nothing could be run at all.
func (m *Matrix) Run(ctx context.Context, names, patterns []string) ([]Summary, error) {
	built := map[string]*Tests{} // by processor
	for _, name := range names {
		p := processorOf(name).goarch
		if built[p] != nil {
			continue
		}
		tests, err := m.Module.BuildTests(ctx, m.Cache, name, patterns)
		if err != nil {
			return nil, err
		}
		defer tests.Close()
		built[p] = tests
	}
	sums := make([]Summary, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		tests := built[processorOf(name).goarch]
		wg.Go(func() { sums[i] = m.one(ctx, name, tests, PrefixWriter(m.Out, "["+name+"] ")) })
	}
	wg.Wait()
	return sums, nil
}

// one runs the tests on one kernel and prints its details.
func (m *Matrix) one(ctx context.Context, name string, tests *Tests, w io.Writer) Summary {
	s := Summary{Name: "kernel " + name}
	k, err := m.Cache.Prepare(ctx, name, func(f string, a ...any) { fmt.Fprintf(w, f+"\n", a...) })
	if errors.Is(err, ErrUnavailable) {
		s.NotRun = firstLine(err.Error())
		fmt.Fprintf(w, "NOT RUN: %v\n", err)
		return s
	}
	if err != nil {
		s.Err = err
		s.Result.fail("preparation", err.Error())
	} else {
		s.Name, s.Detail = "kernel "+k.Name(), k.String()
		s.Result, s.Err = m.boots(ctx, k, tests, w)
		if s.Err != nil {
			s.Result.fail("run", s.Err.Error())
		} else if s.Result.Passed+s.Result.Failed+len(s.Result.LeftToHost) == 0 {
			s.Result.fail("run", "no test ran")
		}
	}
	s.Result.WriteDetails(w)
	return s
}

// boots runs the tests on one kernel in several boots and adds up what they counted.
func (m *Matrix) boots(ctx context.Context, k *Kernel, tests *Tests, w io.Writer) (Result, error) {
	split := tests.split(k.processor().parts())
	results, errs := make([]Result, len(split)), make([]error, len(split))
	var wg sync.WaitGroup
	for i, part := range split {
		wg.Go(func() { results[i], errs[i] = part.Run(ctx, m.Cache, k, m.Options, w) })
	}
	wg.Wait()
	var sum Result
	for _, r := range results {
		sum.Add(r)
	}
	return sum, errors.Join(errs...)
}

func firstLine(s string) string {
	for i, c := range s {
		if c == '\n' {
			return s[:i]
		}
	}
	return s
}

// PrefixWriter returns a writer that puts prefix before each line of w, and
// writes whole lines only. Writers made from one w may be used concurrently if
// w allows it.
func PrefixWriter(w io.Writer, prefix string) io.Writer { return &prefixWriter{w: w, prefix: prefix} }

type prefixWriter struct {
	mu     sync.Mutex
	w      io.Writer
	prefix string
	rest   []byte
}

func (p *prefixWriter) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rest = append(p.rest, b...)
	end := bytes.LastIndexByte(p.rest, '\n') + 1
	if end == 0 {
		return len(b), nil
	}
	var out []byte
	for _, line := range bytes.SplitAfter(p.rest[:end], []byte{'\n'}) {
		if len(line) > 0 {
			out = append(append(out, p.prefix...), line...)
		}
	}
	p.rest = append([]byte(nil), p.rest[end:]...)
	if _, err := p.w.Write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}
