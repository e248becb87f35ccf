// Command fastpath-vm runs tests and programs on Debian kernels with
// flowtables, in a virtual machine. See internal/testns/vm/README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-fastpath/fastpath/internal/testns/vm"
)

const usage = `usage: fastpath-vm VERB [FLAGS] ...

  prepare [-kernel LIST]                         fill the cache
  test    [-kernel LIST] [FLAGS] PACKAGES...     run tests on kernels
  host    [FLAGS] PACKAGES...                    run tests on this machine
  arch    [-arch LIST] [FLAGS] PACKAGES...       run tests for other processors, without privileges
  all     [-kernel LIST] [FLAGS] PACKAGES...     host (all packages), then arch (-pure), then kernels, then totals
  bigendian [-kernel LIST] [FLAGS]               load images that are built here on kernels of other processors
  survey  [-kernel LIST] [-run REGEX] PAGE       run the tests that a page names, and write into it which passed where
  run     [-kernel NAME] [FLAGS] PROGRAM ARGS... run one program on a kernel

LIST is comma separated; a name that is not known is answered with all that are.
bigendian boots 6.1-s390x and 6.1-mipsel.
run also knows host, and auto: the host if its kernel has flowtables, else 6.12.
Exit status: 0 all well, 1 something failed, 2 usage, 3 nothing failed but a
kernel or an emulator could not be had; run: that of the program, 125 if the machine broke.
`

const (
	exitOK, exitFailed, exitUsage, exitUnavailable, exitBroken = 0, 1, 2, 3, 125
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], &lockedWriter{w: os.Stdout}, &lockedWriter{w: os.Stderr})
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	verbs := map[string]func(context.Context, *app, []string) int{
		"prepare": prepare, "test": test, "host": host, "arch": arch, "all": all, "bigendian": bigEndian, "run": program, "survey": survey,
	}
	if len(args) == 0 || verbs[args[0]] == nil {
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	a := &app{stdout: stdout, stderr: stderr, started: time.Now()}
	a.define(args[0])
	if err := a.flags.Parse(args[1:]); err != nil {
		return exitUsage
	}
	if err := a.open(ctx); err != nil {
		return a.report(err)
	}
	return verbs[args[0]](ctx, a, a.flags.Args())
}

// app holds the flags and the open cache.
type app struct {
	stdout, stderr io.Writer
	started        time.Time
	flags          *flag.FlagSet
	kernel         string
	arch           string
	pure           string
	portable       string
	facing, page   string
	options        vm.TestOptions
	cache          *vm.Cache
	module         *vm.Module
}

func (a *app) define(verb string) {
	a.flags = flag.NewFlagSet("fastpath-vm "+verb, flag.ContinueOnError)
	a.flags.SetOutput(a.stderr)
	f, o := a.flags, &a.options
	f.StringVar(&a.kernel, "kernel", "", "kernels, comma separated; default 6.1,6.12,7.3; run: one of them, host, or auto (the default)")
	f.StringVar(&a.arch, "arch", "386,s390x", "processors for arch and all, comma separated, in Go's words")
	f.StringVar(&a.pure, "pure", "", "packages that all runs for the processors of -arch, in one word separated by spaces; none by default")
	f.StringVar(&a.portable, "portable", "", "packages, in one word, of which all runs on this host alone the tests that other systems compile; none by default")
	f.StringVar(&a.facing, "facing", "", "kernels, comma separated, on which all runs only the tests that the page names; none by default")
	f.StringVar(&a.page, "page", "docs/KERNELS.md", "the page that names them")
	f.StringVar(&o.Run, "run", "", "run only tests that match, as go test -run")
	f.BoolVar(&o.Verbose, "v", false, "show all test output as it comes")
	f.DurationVar(&o.Timeout, "timeout", 0, "time limit per package (default 10m)")
	f.DurationVar(&o.BootTimeout, "boot-timeout", 0, "time limit per boot (default 20m)")
	f.StringVar(&o.OutDir, "out", "", "put files that programs leave in $FASTPATH_OUT below this folder")
	f.BoolVar(&o.KeepLog, "keep-log", false, "keep the kernel log and say where it is")
	f.Func("env", "KEY=VALUE for the programs, repeatable", func(s string) error { o.Env = append(o.Env, s); return nil })
	f.Func("testflag", "a flag for the test binaries, such as -test.bench=., repeatable", func(s string) error { o.Flags = append(o.Flags, s); return nil })
}

func (a *app) open(ctx context.Context) (err error) {
	if a.cache, err = vm.OpenCache(); err != nil {
		return err
	}
	a.module, err = vm.FindModule(ctx)
	return err
}

func (a *app) kernels() []string {
	if a.kernel == "" {
		return vm.Tested()
	}
	return strings.Split(a.kernel, ",")
}

// facingKernels are those of -facing.
func (a *app) facingKernels() []string {
	return strings.FieldsFunc(a.facing, func(r rune) bool { return r == ',' })
}

// say tells the person at the terminal what goes on.
func (a *app) say(format string, args ...any) {
	fmt.Fprintf(a.stderr, "fastpath-vm: "+format+"\n", args...)
}

func (a *app) report(err error) int {
	fmt.Fprintln(a.stderr, "fastpath-vm:", err)
	if errors.Is(err, vm.ErrUnavailable) {
		return exitUnavailable
	}
	return exitFailed
}

// lockedWriter lets several goroutines write whole lines.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}
