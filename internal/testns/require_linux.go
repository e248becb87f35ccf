package testns

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
)

// TB is the part of testing.TB that this package uses, so that programs need not import testing and tests can pass their own.
type TB interface {
	Helper()
	Cleanup(func())
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
}

// vmVariable is set to 1 by whatever runs tests on kernels that have everything: there a skip would hide a failure.
const vmVariable = "FASTPATH_VM"

// skip skips the test, except where everything is there: then it fails it.
func skip(tb TB, format string, args ...any) {
	tb.Helper()
	if os.Getenv(vmVariable) == "1" {
		tb.Fatalf("must not skip with "+vmVariable+"=1: "+format, args...)
		return
	}
	tb.Skipf(format, args...)
}

// Tools are the programs that this package runs.
func Tools() []string { return []string{"ip", "nft", "conntrack"} }

// RequireNamespaces skips the test when this process cannot make namespaces or lacks the tools, saying what to do. With
// FASTPATH_VM=1 in the environment it fails the test instead.
func RequireNamespaces(tb TB) {
	tb.Helper()
	if n := newOrSkip(tb, "try", New); n != nil {
		if err := n.Close(); err != nil {
			tb.Errorf("%v", err)
		}
	}
}

// NewT is New for a test, closed at its end. It skips the test as RequireNamespaces does.
func NewT(tb TB, label string) *Namespace {
	tb.Helper()
	n := newOrSkip(tb, label, New)
	closeAtEnd(tb, n.Close)
	return n
}

// NewNamedT is NewNamed for a test, closed at its end. It skips the test as RequireNamespaces does.
func NewNamedT(tb TB, label string) *Namespace {
	tb.Helper()
	n := newOrSkip(tb, label, NewNamed)
	closeAtEnd(tb, n.Close)
	return n
}

// newOrSkip makes a namespace. When that is impossible here it ends the test; nil is what a TB that goes on gets.
func newOrSkip(tb TB, label string, make func(string) (*Namespace, error)) *Namespace {
	tb.Helper()
	for _, tool := range Tools() {
		if _, err := exec.LookPath(tool); err != nil {
			skip(tb, "the tool %s is missing (install iproute2, nftables and conntrack): %v", tool, err)
			return nil
		}
	}
	n, err := make(label)
	switch {
	case errors.Is(err, fs.ErrPermission):
		skip(tb, "cannot make network namespaces: %v", err)
	case err != nil:
		tb.Fatalf("%v", err)
	}
	return n
}

// closeAtEnd calls f at the end of the test, failed or not.
func closeAtEnd(tb TB, f func() error) {
	tb.Cleanup(func() {
		if err := f(); err != nil {
			tb.Errorf("%v", err)
		}
	})
}

// HaveFlowtables reports whether the kernel takes flowtables, tried with nft in a namespace of its own. When it does not, or when
// that could not be found out, the reason says so.
func HaveFlowtables(ctx context.Context) (ok bool, reason string) {
	n, err := New("flowtables")
	if err != nil {
		return false, fmt.Sprintf("could not try: %v", err)
	}
	defer n.Close()
	if err := n.NFT(ctx, "add table inet t\n"); err != nil {
		return false, fmt.Sprintf("nf_tables does not work: %v", err)
	}
	err = n.NFT(ctx, "add flowtable inet t f { hook ingress priority 0; }\n")
	switch {
	case err == nil:
		return true, ""
	case strings.Contains(err.Error(), "No such file or directory"):
		return false, "the kernel has no flowtables (CONFIG_NF_FLOW_TABLE, CONFIG_NF_FLOW_TABLE_INET)"
	}
	return false, fmt.Sprintf("could not tell: %v", err)
}

// RequireFlowtables skips the test on a kernel without flowtables. With FASTPATH_VM=1 in the environment it fails the test instead.
func RequireFlowtables(tb TB) {
	tb.Helper()
	RequireNamespaces(tb)
	ctx, cancel := withDeadline(context.Background())
	defer cancel()
	if ok, reason := HaveFlowtables(ctx); !ok {
		skip(tb, "no flowtables: %s", reason)
	}
}
