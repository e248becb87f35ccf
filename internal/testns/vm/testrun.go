package vm

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-fastpath/fastpath/internal/testns/vm/wire"
)

// defaultTimeout is the time limit of one package where none is given.
const defaultTimeout = 10 * time.Minute

// TestOptions say how test binaries are run.
type TestOptions struct {
	Run         string        // -test.run
	Flags       []string      // more flags for the test binaries, such as -test.bench=.
	Env         []string      // more environment, KEY=value
	Verbose     bool          // show all output as it comes
	Timeout     time.Duration // per package; zero means 10 minutes
	BootTimeout time.Duration // of everything on one kernel; zero means 20 minutes
	OutDir      string        // files from $FASTPATH_OUT go to OutDir/<kernel label>
	KeepLog     bool

	RunIn map[string]string // package, such as ./offload -> its own -test.run, in place of Run
	Files map[string]string // more files of the guest: path there -> path here

	LeftToHost map[string][]string // package, such as ./ruleset -> tests that the host ran whole and that need no kernel
}

// Tests are packages that were compiled for the guest. Safe for concurrent use
// once BuildTests has returned.
type Tests struct {
	module    *Module
	pkgs      []*testPackage
	init      string
	dir       string
	converter string // the program test2json
}

// BuildTests compiles the tests of the packages that the patterns name for the
// processor of a kernel, which its selector tells. Packages without tests are
// left out; none at all is an error.
func (m *Module) BuildTests(ctx context.Context, c *Cache, selector string, patterns []string) (*Tests, error) {
	p := processorOf(selector)
	t, err := m.buildTestsOf(ctx, c, p, patterns)
	if err != nil {
		return nil, err
	}
	if t.init, err = m.guestInit(ctx, c, p, t.dir); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// buildTestsOf compiles the tests of packages for a processor.
func (m *Module) buildTestsOf(ctx context.Context, c *Cache, p *processor, patterns []string) (*Tests, error) {
	all, err := listPackages(ctx, p, patterns)
	if err != nil {
		return nil, err
	}
	t := &Tests{module: m}
	for _, pkg := range all {
		if pkg.hasTests() {
			t.pkgs = append(t.pkgs, pkg)
		}
	}
	if len(t.pkgs) == 0 {
		return nil, fmt.Errorf("no tests in %s", strings.Join(patterns, " "))
	}
	if t.dir, err = os.MkdirTemp("", "fastpath-tests-"); err != nil {
		return nil, err
	}
	t.converter = filepath.Join(t.dir, "test2json")
	err = m.buildProgram(ctx, c, amd64(), "cmd/test2json", t.converter)
	if err == nil {
		err = m.buildTests(ctx, c, p, t.pkgs, t.dir)
	}
	if err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// Close removes the binaries.
func (t *Tests) Close() error { return os.RemoveAll(t.dir) }

// split deals the packages out in turn, to at most n parts. The binaries stay t's: Close t, not the parts.
func (t *Tests) split(n int) []*Tests {
	split := make([]*Tests, min(n, len(t.pkgs)))
	for i := range split {
		split[i] = &Tests{module: t.module, init: t.init, dir: t.dir, converter: t.converter}
	}
	for i, p := range t.pkgs {
		part := split[i%len(split)]
		part.pkgs = append(part.pkgs, p)
	}
	return split
}

// Run runs the tests on one kernel in one boot. An error means that the run
// itself broke; what was counted until then is returned beside it.
func (t *Tests) Run(ctx context.Context, c *Cache, k *Kernel, o TestOptions, w io.Writer) (Result, error) {
	r := &testRunner{tests: t, options: o, w: w, output: make([]bytes.Buffer, len(t.pkgs))}
	b := &Boot{Cache: c, Kernel: k, Init: t.init, Timeout: o.BootTimeout, KeepLog: o.KeepLog, OnFrame: r.frame,
		Say: func(f string, a ...any) { fmt.Fprintf(w, f+"\n", a...) }}
	if o.OutDir != "" {
		b.OutDir = filepath.Join(o.OutDir, k.Name())
	}
	var err error
	if b.Jobs, b.Files, err = t.jobs(o); err != nil {
		return Result{}, err
	}
	err = b.Run(ctx)
	if err != nil && r.started > r.ended { // what the interrupted package said
		r.finish(r.started-1, wire.ExitStatus{Code: 125, Err: "the machine ended"})
	}
	if b.Hello.Release != "" {
		fmt.Fprintf(w, "booted %s in %.1f s, ended after %.0f s, %.0f s of a processor\n", b.Hello.Release, b.BootSec, b.Took.Seconds(), b.Used.Seconds())
	}
	return r.result, err
}

func (t *Tests) jobs(o TestOptions) ([]wire.Job, map[string]string, error) {
	timeout := cmp.Or(o.Timeout, defaultTimeout)
	var jobs []wire.Job
	files := maps.Clone(o.Files)
	if files == nil {
		files = map[string]string{}
	}
	for _, p := range t.pkgs {
		dir := t.module.guestDir(p.ImportPath)
		data, err := dataFiles(p.Dir, dir)
		if err != nil {
			return nil, nil, err
		}
		for to, from := range data {
			files[to] = from
		}
		bin := "/tests/" + filepath.Base(p.binary)
		files[bin] = p.binary
		short := t.module.short(p.ImportPath)
		argv := append(o.argv(bin, cmp.Or(o.RunIn[short], o.Run)), skipFlag(o.LeftToHost[short])...)
		jobs = append(jobs, wire.Job{Name: short, Dir: dir, Argv: argv,
			Env: o.Env, Seconds: int(timeout.Seconds()) + 30, Merge: true})
	}
	return jobs, files, nil
}

// argv is how a test binary is called.
func (o TestOptions) argv(binary, run string) []string {
	timeout := cmp.Or(o.Timeout, defaultTimeout)
	argv := []string{binary, "-test.v=test2json", "-test.timeout=" + timeout.String(), "-test.paniconexit0"}
	if run != "" {
		argv = append(argv, "-test.run="+run)
	}
	return append(argv, o.Flags...)
}

// testRunner follows the frames of one boot.
type testRunner struct {
	tests          *Tests
	options        TestOptions
	w              io.Writer
	output         []bytes.Buffer
	started, ended int
	result         Result
}

func (r *testRunner) frame(f wire.Frame) error {
	if f.Job >= len(r.output) {
		return fmt.Errorf("the guest speaks of job %d of %d", f.Job, len(r.output))
	}
	switch f.Kind {
	case wire.Start:
		r.started++
	case wire.Stdout, wire.Stderr:
		r.output[f.Job].Write(f.Payload)
		if r.options.Verbose {
			r.w.Write(bytes.ReplaceAll(f.Payload, []byte{0x16}, nil))
		}
	case wire.Exit:
		var s wire.ExitStatus
		if err := json.Unmarshal(f.Payload, &s); err != nil {
			return fmt.Errorf("exit status from the guest: %w", err)
		}
		r.ended++
		return r.finish(f.Job, s)
	}
	return nil
}

// finish counts the tests of the package that a job ran.
func (r *testRunner) finish(job int, s wire.ExitStatus) error {
	res, err := r.tests.count(r.tests.pkgs[job], s, 0, r.output[job].Bytes(), r.w, NotOnThisKernel)
	r.output[job].Reset()
	name := r.tests.module.short(r.tests.pkgs[job].ImportPath)
	for _, t := range r.options.LeftToHost[name] {
		res.LeftToHost = append(res.LeftToHost, Outcome{Package: name, Test: t})
	}
	r.result.Add(res)
	return err
}

// count counts what a package's test binary printed and says in a line how it went. A skip whose
// text begins with none of the allowed prefixes is a failure; no prefixes allow every skip.
func (t *Tests) count(p *testPackage, s wire.ExitStatus, used time.Duration, out []byte, w io.Writer, allowed ...string) (Result, error) {
	name := t.module.short(p.ImportPath)
	if s.Err != "" {
		out = fmt.Appendf(out, "\n%s\n", s.Err)
	}
	c, err := parseTestOutput(t.converter, name, out, s.Code)
	if err != nil {
		return Result{}, err
	}
	res := c.result(allowed...)
	verdict, processor := "ok  ", ""
	if res.Failed > 0 {
		verdict = "FAIL"
	}
	if used > 0 {
		processor = fmt.Sprintf(", %.1f s of a processor", used.Seconds())
	}
	fmt.Fprintf(w, "%s %s: %d passed, %d failed, %d skipped (%.1f s%s)\n", verdict, name, res.Passed, res.Failed, res.Skipped, s.Seconds, processor)
	return res, nil
}
