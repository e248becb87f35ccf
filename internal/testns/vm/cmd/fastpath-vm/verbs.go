package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-fastpath/fastpath/internal/oncehost"
	"github.com/go-fastpath/fastpath/internal/testns/vm"
)

// prepare fills the cache for each kernel in parallel.
func prepare(ctx context.Context, a *app, _ []string) int {
	if err := vm.EnsureTools(ctx, a.say); err != nil {
		return a.report(err)
	}
	names := slices.Concat(a.kernels(), a.facingKernels())
	codes := make([]int, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Add(1)
		go func() {
			defer wg.Done()
			start := time.Now()
			k, err := a.cache.Prepare(ctx, name, func(f string, args ...any) { a.say("["+name+"] "+f, args...) })
			if err != nil {
				a.say("kernel %s: NOT READY", name)
				codes[i] = a.report(err)
				return
			}
			fmt.Fprintf(a.stdout, "kernel %s: ready (%s) in %.1f s\n", k.Name(), k, time.Since(start).Seconds())
		}()
	}
	wg.Wait()
	return worst(codes)
}

func worst(codes []int) int {
	for _, c := range []int{exitUsage, exitFailed, exitUnavailable} {
		if slices.Contains(codes, c) {
			return c
		}
	}
	return exitOK
}

// test runs packages on kernels and ends with one line per kernel.
func test(ctx context.Context, a *app, packages []string) int {
	if len(packages) == 0 {
		a.say("test: name at least one package")
		return exitUsage
	}
	sums, code := a.testKernels(ctx, packages)
	a.print(sums)
	return code
}

// print ends a run: the slowest tests of each tier, so that the next person sees them, how long the
// run took, a line for each tier, and what failed by name, for its output stands far above.
func (a *app) print(sums []vm.Summary) {
	for _, s := range sums {
		if line := s.SlowestLine(); line != "" {
			fmt.Fprintln(a.stdout, line)
		}
	}
	fmt.Fprintf(a.stdout, "took %.0f s\n", time.Since(a.started).Seconds())
	for _, s := range sums {
		fmt.Fprintln(a.stdout, s)
	}
	for _, s := range sums {
		for _, line := range s.FailedLines() {
			fmt.Fprintln(a.stdout, line)
		}
	}
}

func (a *app) testKernels(ctx context.Context, packages []string) ([]vm.Summary, int) {
	if err := vm.EnsureTools(ctx, a.say); err != nil {
		return nil, a.report(err)
	}
	m := &vm.Matrix{Cache: a.cache, Module: a.module, Options: a.options, Out: a.stdout}
	sums, err := m.Run(ctx, a.kernels(), packages)
	if err != nil {
		return nil, a.report(err)
	}
	return sums, codeOf(sums)
}

// codeOf is the exit status that tells of all summaries.
func codeOf(sums []vm.Summary) int {
	var codes []int
	for _, s := range sums {
		switch {
		case s.NotRun != "":
			codes = append(codes, exitUnavailable)
		case !s.OK():
			codes = append(codes, exitFailed)
		}
	}
	return worst(codes)
}

// host runs packages on this machine.
func host(ctx context.Context, a *app, packages []string) int {
	s := a.testHost(ctx, packages)
	a.print([]vm.Summary{s})
	if !s.OK() {
		return exitFailed
	}
	return exitOK
}

func (a *app) testHost(ctx context.Context, packages []string) vm.Summary {
	if len(packages) == 0 {
		packages = []string{"./..."}
	}
	return a.module.RunHost(ctx, a.cache, packages, a.options, vm.PrefixWriter(a.stdout, "[host] "))
}

// arch runs packages for other processors and ends with one line for each.
func arch(ctx context.Context, a *app, packages []string) int {
	if len(packages) == 0 {
		a.say("arch: name at least one package")
		return exitUsage
	}
	sums := a.testArchs(ctx, packages)
	a.print(sums)
	return codeOf(sums)
}

func (a *app) testArchs(ctx context.Context, packages []string) (sums []vm.Summary) {
	for _, name := range strings.Split(a.arch, ",") {
		w := vm.PrefixWriter(a.stdout, "["+name+"] ")
		sums = append(sums, a.module.RunArch(ctx, a.cache, name, packages, a.options, a.say, w))
	}
	return sums
}

// all runs everything: the host's tests while the kernels are prepared, those of
// other processors, then the kernels. A sid in flux, and an emulator that is not
// to be had, are told loudly and do not fail the rest.
func all(ctx context.Context, a *app, packages []string) int {
	if len(packages) == 0 {
		a.say("all: name the packages that run on the kernels")
		return exitUsage
	}
	prepared := make(chan int, 1)
	go func() { prepared <- prepare(ctx, a, nil) }()
	sums := []vm.Summary{a.testHost(ctx, nil)}
	<-prepared // what went wrong is met again, and reported, by the kernel's own run
	if pure := strings.Fields(a.pure); len(pure) > 0 {
		sums = append(sums, a.testArchs(ctx, pure)...)
	}
	a.options.Env = append(a.options.Env, oncehost.Variable+"=1")
	if portable := strings.Fields(a.portable); len(portable) > 0 {
		tests, err := a.module.Kernelless(ctx, portable)
		if err != nil {
			return a.report(err)
		}
		a.options.LeftToHost = sums[0].Result.RanHere(tests)
	}
	kernels, code := a.testKernels(ctx, packages)
	facing, facingCode := a.testFacing(ctx)
	code, kernels = worst([]int{code, facingCode}), append(kernels, facing...)
	for i := range kernels {
		kernels[i].HeldAgainst(sums[0])
	}
	sums = append(sums, kernels...)
	fmt.Fprintln(a.stdout)
	a.print(sums)
	var total vm.Result
	failed := code == exitFailed || code == exitUsage
	for _, s := range sums {
		total.Add(s.Result)
		failed = failed || s.Err != nil
	}
	fmt.Fprintf(a.stdout, "%d passed, %d failed\n", total.Passed, total.Failed)
	if failed || total.Failed > 0 || !a.onlyMovingMissing(kernels) {
		return exitFailed
	}
	return exitOK
}

// onlyMovingMissing says whether every kernel that did not run is one that Debian may have replaced.
func (a *app) onlyMovingMissing(sums []vm.Summary) bool {
	for i, s := range sums {
		if name := slices.Concat(a.kernels(), a.facingKernels())[i]; s.NotRun != "" && vm.Stays(name) {
			return false
		}
	}
	return true
}

// program runs one executable and exits with its status.
func program(ctx context.Context, a *app, args []string) int {
	if len(args) == 0 {
		a.say("run: name a Go main package or an executable")
		return exitUsage
	}
	if err := vm.EnsureTools(ctx, a.say); err != nil {
		a.report(err)
		return exitBroken
	}
	p := vm.Program{Path: args[0], Args: args[1:], Env: a.options.Env, Timeout: a.options.BootTimeout, OutDir: a.options.OutDir}
	if a.kernel == "" || a.kernel == "auto" {
		a.kernel = "6.12"
		if vm.HostHasFlowtables(ctx) {
			a.kernel = "host"
		}
	}
	if a.kernel == "host" {
		code, err := a.module.RunProgramHere(ctx, a.cache, p, a.stdout, a.stderr)
		if err != nil {
			a.report(err)
			return exitBroken
		}
		return code
	}
	k, err := a.cache.Prepare(ctx, a.kernel, a.say)
	if err != nil {
		a.report(err)
		return exitBroken
	}
	code, err := a.module.RunProgram(ctx, a.cache, k, p, a.stdout, a.stderr, a.say)
	if err != nil {
		a.report(err)
		return exitBroken
	}
	return code
}
