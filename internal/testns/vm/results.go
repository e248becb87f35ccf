package vm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"regexp"
	"sort"
	"strings"

	"github.com/go-fastpath/fastpath/internal/oncehost"
)

// NotOnThisKernel begins the text of the only skip that is allowed inside the
// virtual machine: a feature that this kernel version truly lacks.
const NotOnThisKernel = "not on this kernel:"

// Result counts tests. A test with subtests stands for them and is not counted
// itself, unless it failed on its own account: with no failed subtest below. A
// package that fails without a failed test (it panics, runs out
// of time) counts as one failure.
type Result struct {
	Passed, Failed, Skipped int
	Failures                []Outcome
	Skips                   []Outcome
	LeftToHost              []Outcome       // see internal/oncehost; not among Skips
	Ran                     map[string]bool // by Outcome.Name, what passed or failed; nothing that skipped a part of itself
	Times                   []Timing        // of tests, not of their subtests
	Tests                   []Verdict
}

// A Verdict is how a test went, with its subtests: passed, FAILED, or not on this kernel if all was skipped.
type Verdict struct{ Package, Test, Verdict string }

// Outcome is one test that failed or was skipped. Text is its output, or the
// reason of a skip.
type Outcome struct{ Package, Test, Text string }

// Name is package and test.
func (o Outcome) Name() string { return strings.TrimSuffix(o.Package+" "+o.Test, " ") }

// reason is the first line of the output that is not the frame around it.
func (o Outcome) reason() string {
	for line := range strings.Lines(strings.ReplaceAll(o.Text, "\x16", "")) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- ") {
			return line
		}
	}
	return ""
}

// Add adds the counts of another result.
func (r *Result) Add(o Result) {
	r.Passed += o.Passed
	r.Failed += o.Failed
	r.Skipped += o.Skipped
	r.Failures = append(r.Failures, o.Failures...)
	r.Skips = append(r.Skips, o.Skips...)
	r.LeftToHost = append(r.LeftToHost, o.LeftToHost...)
	if r.Ran == nil {
		r.Ran = map[string]bool{}
	}
	maps.Copy(r.Ran, o.Ran)
	r.Times = append(r.Times, o.Times...)
	r.Tests = append(r.Tests, o.Tests...)
}

// fail adds a failure that is no test's.
func (r *Result) fail(pkg, text string) {
	r.Failed++
	r.Failures = append(r.Failures, Outcome{Package: pkg, Text: text})
}

// event is one line of go tool test2json, see cmd/internal/test2json.
type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64 // seconds, with pass, fail and skip
}

// testState is what the events said about one test, or with an empty name
// about its package.
type testState struct {
	action   string // pass, fail, skip; empty while it runs
	output   strings.Builder
	children bool
	failed   bool // a test below failed
	skipped  bool // a test below was skipped
	seconds  float64
}

// collector gathers events. Not safe for concurrent use.
type collector struct {
	tests map[[2]string]*testState // package, test
	order [][2]string
}

func newCollector() *collector { return &collector{tests: map[[2]string]*testState{}} }

func (c *collector) state(pkg, test string) *testState {
	key := [2]string{pkg, test}
	s := c.tests[key]
	if s == nil {
		s = &testState{}
		c.tests[key] = s
		c.order = append(c.order, key)
	}
	return s
}

func (c *collector) add(e event) {
	s := c.state(e.Package, e.Test)
	switch e.Action {
	case "output":
		s.output.WriteString(e.Output)
	case "run": // again, with -test.count: the first failure is what counts
		if s.action != "" && s.action != "fail" {
			s.output.Reset()
			s.action = ""
		}
	case "pass", "fail", "skip":
		s.seconds += e.Elapsed
		if s.action != "fail" {
			s.action = e.Action
		}
	}
}

// result counts. A skip whose text does not begin with one of the allowed
// prefixes is a failure; no prefixes allow every skip.
func (c *collector) result(allowed ...string) Result {
	c.link()
	r := Result{Ran: map[string]bool{}}
	failedIn := map[string]bool{}
	for _, key := range c.order {
		s := c.tests[key]
		if key[1] == "" {
			continue
		}
		if !strings.Contains(key[1], "/") {
			r.Tests = append(r.Tests, Verdict{key[0], key[1], c.verdict(key)})
		}
		o := Outcome{Package: key[0], Test: key[1], Text: s.output.String()}
		if s.action == "pass" && !s.skipped || s.action == "fail" {
			r.Ran[o.Name()] = true
		}
		if s.seconds > 0 && !strings.Contains(key[1], "/") {
			r.Times = append(r.Times, Timing{Package: key[0], Test: key[1], Seconds: s.seconds})
		}
		switch {
		case s.action == "fail" && !s.failed:
			r.Failed++
			r.Failures = append(r.Failures, o)
			failedIn[key[0]] = true
		case s.action == "" && !s.children: // it ran when the program died
			r.Failed++
			o.Text += "(did not finish)\n"
			r.Failures = append(r.Failures, o)
			failedIn[key[0]] = true
		case s.action == "skip":
			o.Text = skipReason(o.Text)
			r.skip(o, allowed)
		case s.action == "pass" && !s.children:
			r.Passed++
		}
	}
	for _, key := range c.order {
		if s := c.tests[key]; key[1] == "" && s.action == "fail" && !failedIn[key[0]] {
			r.fail(key[0], s.output.String())
		}
	}
	return r
}

// verdict looks at a test and all below it.
func (c *collector) verdict(key [2]string) string {
	passed := false
	for _, k := range c.order {
		s := c.tests[k]
		if k[0] != key[0] || k[1] != key[1] && !strings.HasPrefix(k[1], key[1]+"/") {
			continue
		}
		switch why := skipReason(s.output.String()); {
		case s.action == "skip" && (strings.HasPrefix(why, NotOnThisKernel) || strings.HasPrefix(why, oncehost.Reason)):
		case s.action == "fail" || s.action == "skip" || s.action == "" && !s.children:
			return cellFailed
		case s.action == "pass" && !s.children:
			passed = true
		}
	}
	if passed {
		return cellPassed
	}
	return cellLacks
}

func (r *Result) skip(o Outcome, allowed []string) {
	if strings.HasPrefix(o.Text, oncehost.Reason) {
		r.LeftToHost = append(r.LeftToHost, o)
		return
	}
	ok := len(allowed) == 0
	for _, a := range allowed {
		ok = ok || strings.HasPrefix(o.Text, a)
	}
	if ok {
		r.Skipped++
		r.Skips = append(r.Skips, o)
		return
	}
	r.Failed++
	o.Text = fmt.Sprintf("skipped where that is a failure (only %q may be skipped here): %s\n", NotOnThisKernel, o.Text)
	r.Failures = append(r.Failures, o)
}

// link tells each test about its subtests.
func (c *collector) link() {
	for _, key := range c.order {
		for i, ch := range key[1] {
			if ch != '/' {
				continue
			}
			if parent := c.tests[[2]string{key[0], key[1][:i]}]; parent != nil {
				parent.children = true
				parent.skipped = parent.skipped || c.tests[key].action == "skip"
				parent.failed = parent.failed || c.tests[key].action == "fail" || c.tests[key].action == ""
			}
		}
	}
}

var skipLine = regexp.MustCompile(`(?s)^\s*(?:\S+\.go:\d+: )(.*)$`)

// skipReason finds the text that was given to t.Skip in a test's output.
func skipReason(output string) string {
	var last string
	for _, line := range strings.Split(output, "\n") {
		if m := skipLine.FindStringSubmatch(line); m != nil {
			last = m[1]
		}
	}
	return last
}

// parseTestOutput turns what a test binary printed with -test.v=test2json into events, by Go's
// program of that name.
func parseTestOutput(converter, pkg string, out []byte, code int) (*collector, error) {
	cmd := exec.Command(converter, "-t", "-p", pkg) // -t: with times
	cmd.Stdin = bytes.NewReader(out)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	lines, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("test2json: %w: %s", err, stderr.String())
	}
	c := newCollector()
	if err := c.read(bytes.NewReader(lines)); err != nil {
		return nil, err
	}
	if code != 0 {
		c.state(pkg, "").action = "fail"
	}
	return c, nil
}

// read adds a stream of JSON events.
func (c *collector) read(r io.Reader) error {
	d := json.NewDecoder(r)
	for {
		var e event
		if err := d.Decode(&e); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("test events: %w", err)
		}
		c.add(e)
	}
}

// WriteDetails prints every failure with its output and every skip with its reason.
func (r *Result) WriteDetails(w io.Writer) {
	for _, f := range r.Failures {
		fmt.Fprintf(w, "FAILED %s\n%s\n", f.Name(), strings.TrimRight(strings.ReplaceAll(f.Text, "\x16", ""), "\n"))
	}
	byReason := map[string][]string{}
	for _, s := range r.Skips {
		names := byReason[s.Text]
		if n := len(names); n > 0 && strings.HasPrefix(names[n-1], s.Package+" ") {
			names[n-1] += " " + s.Test
		} else {
			names = append(names, s.Name())
		}
		byReason[s.Text] = names
	}
	reasons := make([]string, 0, len(byReason))
	for k := range byReason {
		reasons = append(reasons, k)
	}
	sort.Strings(reasons)
	for _, why := range reasons {
		fmt.Fprintf(w, "skipped: %s\n", why)
		for _, names := range byReason[why] {
			fmt.Fprintf(w, "    %s\n", names)
		}
	}
}
