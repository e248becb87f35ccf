// Package oncehost keeps tests that need no kernel, and take long, from running again on each kernel of the virtual machine when the
// host has run them. The runner holds what was left out against what the host ran, so that no test is lost.
package oncehost

import "os"

// Variable is set to 1 in the virtual machine by a run whose host has run the same tests.
const Variable = "FASTPATH_HOST_RAN"

// Reason begins the text of such a skip.
const Reason = "needs no kernel: "

// TB is the part of testing.TB that this package uses.
type TB interface {
	Helper()
	Skip(args ...any)
}

// Skip skips a test that does not ask the kernel anything if the host has run it. Call it first, in the test, not in a subtest.
func Skip(tb TB) {
	tb.Helper()
	if os.Getenv(Variable) == "1" {
		tb.Skip(Reason + "the host has run it")
	}
}
