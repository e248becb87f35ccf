package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// asFlowctl makes this test binary behave as flowctl, for tests that need a process of their own.
const asFlowctl = "FLOWCTL_TEST_RUN"

func TestMain(m *testing.M) {
	if os.Getenv(asFlowctl) == "1" {
		os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// A result is what one run of flowctl left.
type result struct {
	status   int
	out, err string
}

// flowctl runs a command in this process; stdin is what - reads.
func flowctl(stdin string, args ...string) result {
	var out, err bytes.Buffer
	status := run(args, strings.NewReader(stdin), &out, &err)
	return result{status, out.String(), err.String()}
}

// assertRefused holds a failed run against the manners: its status, nothing on standard output, a message with all of says,
// every line of which names the program, and no trace of a panic.
func (r result) assertRefused(t *testing.T, status int, says ...string) {
	t.Helper()
	assert.Equal(t, status, r.status, "exit status; stderr: %s", r.err)
	assert.Empty(t, r.out, "standard output")
	for _, text := range says {
		assert.Contains(t, r.err, text)
	}
	assert.NotContains(t, r.err, "goroutine ")
	assert.NotContains(t, r.err, "%!")
}

// assertDone holds a run against success: status 0, nothing on standard error.
func (r result) assertDone(t *testing.T) {
	t.Helper()
	assert.Equal(t, exitDone, r.status, "exit status")
	assert.Empty(t, r.err, "standard error")
}

func TestUsage(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		says []string
	}{
		"no command":         {nil, []string{"usage: flowctl", "render", "probe"}},
		"unknown command":    {[]string{"aply"}, []string{`no command "aply"`, "usage: flowctl"}},
		"unknown flag":       {[]string{"plan", "--netnz", "x", "-"}, []string{"usage: flowctl plan", "-netnz"}},
		"no spec":            {[]string{"apply"}, []string{"usage: flowctl apply", "want 1 argument, got 0"}},
		"two specs":          {[]string{"check", "a.json", "b.json"}, []string{"want 1 argument, got 2"}},
		"flows of a spec":    {[]string{"flows", "router.json"}, []string{"want 0 arguments, got 1"}},
		"unknown path":       {[]string{"flows", "--path", "fast"}, []string{"--path", `"fast"`, "slow, software, hardware or unknown"}},
		"flag of another":    {[]string{"render", "--netns", "x", "-"}, []string{"usage: flowctl render", "-netns"}},
		"flag at the end":    {[]string{"flows", "--path"}, []string{"usage: flowctl flows", "-path"}},
		"no time to confirm": {[]string{"apply", "--confirm", "0s", "-"}, []string{"-confirm", "at least a second"}},
		"less than a second": {[]string{"apply", "--confirm", "1ms", "-"}, []string{"-confirm", "at least a second"}},
		"no window":          {[]string{"apply", "--confirm", "soon", "-"}, []string{"-confirm", "at least a second"}},
		"value of boolean":   {[]string{"flows", "--json=perhaps"}, []string{"perhaps"}},
	} {
		t.Run(name, func(t *testing.T) {
			flowctl("", test.args...).assertRefused(t, exitUsage, test.says...)
		})
	}
}

func TestHelp(t *testing.T) {
	r := flowctl("", "help")
	r.assertDone(t)
	assert.Contains(t, r.out, "usage: flowctl COMMAND")
	for _, c := range commands() {
		assert.Contains(t, r.out, c.name)
		own := flowctl("", c.name, "-h")
		own.assertDone(t)
		assert.Contains(t, own.out, "usage: flowctl "+c.name)
	}
}

func TestFlagsBehindTheSpec(t *testing.T) {
	before := flowctl(plainSpec, "render", "--target", writeFile(t, `{"kernel":{"release":"6.12"}}`), "-")
	behind := flowctl(plainSpec, "render", "-", "--target", writeFile(t, `{"kernel":{"release":"6.12"}}`))
	before.assertDone(t)
	assert.Equal(t, before, behind)
}

// A full disk is a failure, whatever the command.
func TestOutputThatFails(t *testing.T) {
	full := errors.New("no space left")
	for _, args := range [][]string{{"check", "-"}, {"render", "-"}} {
		var errs bytes.Buffer
		status := run(args, strings.NewReader(plainSpec), failing{full}, &errs)
		assert.Equal(t, exitFailed, status)
		assert.Contains(t, errs.String(), "flowctl: "+args[0]+": ")
		assert.Contains(t, errs.String(), "no space left")
	}
}

// failing is a Writer that writes nothing.
type failing struct{ error }

func (f failing) Write([]byte) (int, error) { return 0, f.error }

// Joined errors are one line each; an error that wraps two keeps its sentence.
func TestMistakes(t *testing.T) {
	one, two := errors.New("one"), errors.New("two")
	assert.Equal(t, []string{"one", "two"}, mistakes(errors.Join(one, two)))
	assert.Equal(t, []string{"one", "two"}, mistakes(usageError{errors.Join(one, two)}))
	assert.Equal(t, []string{"apply: one: two; plan again"}, mistakes(fmt.Errorf("apply: %w: %w; plan again", one, two)))
}
