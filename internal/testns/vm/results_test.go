package vm

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// collect reads events written as "action package test output".
func collect(t *testing.T, lines ...string) *collector {
	t.Helper()
	c := newCollector()
	for _, l := range lines {
		f := append(strings.SplitN(l, " ", 4), "", "", "")
		c.add(event{Action: f[0], Package: f[1], Test: f[2], Output: f[3]})
	}
	return c
}

func TestResultCountsLeaves(t *testing.T) {
	r := collect(t,
		"pass p T/a", "pass p T/b", "pass p T",
		"fail p U/x", "pass p U/y", "fail p U",
		"pass p V", "fail p").result()
	require.Equal(t, []int{4, 1, 0}, []int{r.Passed, r.Failed, r.Skipped})
	require.Equal(t, "p U/x", r.Failures[0].Name())
}

func TestResultCountsAParentThatFailsItself(t *testing.T) {
	r := collect(t, "pass p T/a", "fail p T", "fail p").result()
	require.Equal(t, []int{1, 1, 0}, []int{r.Passed, r.Failed, r.Skipped})
}

func TestResultOfRepeatedTestsKeepsTheFailure(t *testing.T) {
	r := collect(t,
		"run p T", "output p T one\n", "pass p T",
		"run p T", "output p T two\n", "fail p T",
		"run p T", "output p T three\n", "pass p T", "fail p").result()
	require.Equal(t, []int{0, 1, 0}, []int{r.Passed, r.Failed, r.Skipped})
	require.Contains(t, r.Failures[0].Text, "two")
	require.NotContains(t, r.Failures[0].Text, "one")
}

func TestResultCountsWhatDidNotFinish(t *testing.T) {
	r := collect(t, "pass p T", "run p U", "output p U panic: oh\n", "fail p").result()
	require.Equal(t, []int{1, 1, 0}, []int{r.Passed, r.Failed, r.Skipped})
	require.Contains(t, r.Failures[0].Text, "panic: oh")
}

func TestResultCountsAPackageThatFailsAlone(t *testing.T) {
	r := collect(t, "pass p T", "output p  exit status 2\n", "fail p", "fail q").result()
	require.Equal(t, []int{1, 2, 0}, []int{r.Passed, r.Failed, r.Skipped})
	require.Contains(t, r.Failures[0].Text, "exit status 2")
}

func TestTestsLeftToTheHostAreHeldAgainstIt(t *testing.T) {
	guest := Summary{Name: "kernel 6.1", Result: collect(t,
		"output p T     x_test.go:1: needs no kernel: the host has run it\n", "skip p T",
		"output p U     x_test.go:2: needs no kernel: the host has run it\n", "skip p U", "pass p V").result(NotOnThisKernel)}
	require.Equal(t, "kernel 6.1: 1 passed, 0 failed, 0 skipped, 2 that need no kernel left to the host", guest.String())
	whole, parts := guest, guest
	whole.HeldAgainst(Summary{Result: collect(t, "pass p T", "fail p U").result()})
	require.True(t, whole.OK())
	parts.HeldAgainst(Summary{Result: collect(t, "pass p T/a", "skip p T/b", "pass p T", "pass q U").result()})
	require.Equal(t, 2, parts.Result.Failed)
	require.Equal(t, "p T", parts.Result.Failures[0].Name())
	require.Equal(t, "p U", parts.Result.Failures[1].Name())
}

func TestSkipsAreFailuresUnlessAllowed(t *testing.T) {
	lines := []string{
		"output p T     a_test.go:3: not on this kernel: wildcards came with 6.16\n", "skip p T",
		"output p U     a_test.go:9: no time\n", "skip p U",
	}
	r := collect(t, lines...).result(NotOnThisKernel)
	require.Equal(t, []int{0, 1, 1}, []int{r.Passed, r.Failed, r.Skipped})
	require.Equal(t, "p U", r.Failures[0].Name())
	require.Contains(t, r.Failures[0].Text, "no time")
	require.Equal(t, "not on this kernel: wildcards came with 6.16", r.Skips[0].Text)

	r = collect(t, lines...).result()
	require.Equal(t, []int{0, 0, 2}, []int{r.Passed, r.Failed, r.Skipped})
}

// TestVerdicts: one for each test, with its subtests.
func TestVerdicts(t *testing.T) {
	r := collect(t, "run p A", "run p A/a", "pass p A/a", "run p A/b", "output p A/b     a_test.go:3: not on this kernel: no\n", "skip p A/b", "pass p A",
		"run p B", "run p B/a", "output p B/a     a_test.go:3: not on this kernel: no\n", "skip p B/a", "pass p B",
		"run p C", "run p C/a", "pass p C/a", "run p C/b", "fail p C/b", "fail p C",
		"run p D", "output p D     a_test.go:9: no time\n", "skip p D", "run p E", "pass p E", "run p AB").result(NotOnThisKernel)
	require.Equal(t, []Verdict{{"p", "A", cellPassed}, {"p", "B", cellLacks}, {"p", "C", cellFailed}, {"p", "D", cellFailed}, {"p", "E", cellPassed}, {"p", "AB", cellFailed}}, r.Tests)
}

func TestSummaryLine(t *testing.T) {
	s := Summary{Name: "kernel 6.1", Detail: "6.1.0-56-amd64, 6.1.192-2", Result: Result{Passed: 3, Skipped: 1}}
	require.Equal(t, "kernel 6.1: 3 passed, 0 failed, 1 skipped (6.1.0-56-amd64, 6.1.192-2)", s.String())
	require.True(t, s.OK())
	s = Summary{Name: "kernel sid", NotRun: "the archive is away"}
	require.Equal(t, "kernel sid: NOT RUN: the archive is away", s.String())
	require.False(t, s.OK())
}

func TestPrefixWriterWritesWholeLines(t *testing.T) {
	var b bytes.Buffer
	w := PrefixWriter(&b, "> ")
	for _, s := range []string{"one\ntw", "o", "\n\nrest"} {
		n, err := w.Write([]byte(s))
		require.NoError(t, err)
		require.Equal(t, len(s), n)
	}
	require.Equal(t, "> one\n> two\n> \n", b.String())
}

// No two packages of one go test -c may have the same last name: one binary would replace the other.
func TestRoundsKeepSameNamesApart(t *testing.T) {
	var pkgs []*testPackage
	for _, p := range []string{"m/a/vm", "m/b", "m/c/vm", "m/d/vm", "m/e/b"} {
		pkgs = append(pkgs, &testPackage{ImportPath: p})
	}
	var got []string
	for _, round := range rounds(pkgs) {
		var names []string
		for _, p := range round {
			names = append(names, p.ImportPath)
		}
		got = append(got, strings.Join(names, " "))
	}
	require.Equal(t, []string{"m/a/vm m/b", "m/c/vm m/e/b", "m/d/vm"}, got)
}

// TestFailedLines: the end of a run names what failed, with the first line that tells why.
func TestFailedLines(t *testing.T) {
	s := Summary{Name: "kernel 7.3", Result: Result{Failures: []Outcome{
		{Package: "./offload", Test: "TestX/a", Text: "=== RUN   TestX/a\n\x16=== NAME  TestX/a\n    x_test.go:7: no flow\n--- FAIL: TestX/a\n"},
		{Package: "./ruleset", Text: "panic: test timed out after 30m0s\n"},
		{Package: "run"},
	}}}
	want := []string{
		"FAILED kernel 7.3: ./offload TestX/a: x_test.go:7: no flow",
		"FAILED kernel 7.3: ./ruleset: panic: test timed out after 30m0s",
		"FAILED kernel 7.3: run",
	}
	if got := s.FailedLines(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := (Summary{Name: "host"}).FailedLines(); len(got) != 0 {
		t.Errorf("nothing failed, and yet: %q", got)
	}
}
