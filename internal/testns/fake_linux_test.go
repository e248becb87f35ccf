package testns

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
)

// A fakeTB stands in for a test that fails or skips. One goroutine uses it.
type fakeTB struct {
	cleanups []func()
	errors   []string
	failed   bool
	skipped  bool
}

func (f *fakeTB) Helper()             {}
func (f *fakeTB) Cleanup(c func())    { f.cleanups = append(f.cleanups, c) }
func (f *fakeTB) Logf(string, ...any) {}
func (f *fakeTB) Errorf(format string, args ...any) {
	f.failed = true
	f.errors = append(f.errors, fmt.Sprintf(format, args...))
}
func (f *fakeTB) Fatalf(format string, args ...any) { f.Errorf(format, args...); runtime.Goexit() }
func (f *fakeTB) Skipf(format string, args ...any) {
	f.skipped = true
	f.errors = append(f.errors, fmt.Sprintf(format, args...))
	runtime.Goexit()
}
func (f *fakeTB) text() string { return strings.Join(f.errors, "\n") }

// runFake runs a test as package testing does: in a goroutine, then its cleanups, last first. It returns what became of it.
func runFake(test func(tb *fakeTB)) *fakeTB {
	tb := &fakeTB{}
	var done sync.WaitGroup
	done.Go(func() { test(tb) })
	done.Wait()
	for len(tb.cleanups) > 0 {
		last := tb.cleanups[len(tb.cleanups)-1]
		tb.cleanups = tb.cleanups[:len(tb.cleanups)-1]
		done.Go(last)
		done.Wait()
	}
	return tb
}
