package main

import (
	"context"
	"os"
	"regexp"
	"time"

	"github.com/go-fastpath/fastpath/internal/testns/vm"
)

// survey runs the tests that a page names on kernels and writes into the page which passed where. Tests that fail are what it is to find: they
// are no failure of it.
func survey(ctx context.Context, a *app, args []string) int {
	if len(args) != 1 {
		a.say("survey: name one page, such as docs/KERNELS.md")
		return exitUsage
	}
	if err := vm.EnsureTools(ctx, a.say); err != nil {
		return a.report(err)
	}
	if err := a.survey(ctx, args[0]); err != nil {
		return a.report(err)
	}
	return exitOK
}

func (a *app) survey(ctx context.Context, path string) error {
	page, rows, err := a.named(path)
	if err != nil {
		return err
	}
	s, err := vm.ParseSurvey(page)
	if err != nil {
		return err
	}
	m := &vm.Matrix{Cache: a.cache, Module: a.module, Options: a.options, Out: a.stdout}
	sums, err := s.Run(ctx, m, a.kernels(), rows, time.Now().UTC().Format(time.DateOnly))
	if err != nil {
		return err
	}
	edited, err := os.ReadFile(path) // the boots took long
	if err != nil {
		return err
	}
	text, err := vm.WriteSurvey(string(edited), s)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return err
	}
	return s.Report(a.stdout, rows, sums)
}

// named reads a page, and which tests it names that match -run.
func (a *app) named(path string) (page string, tests []string, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", nil, err
	}
	match, err := regexp.Compile(a.options.Run)
	if err != nil {
		return "", nil, err
	}
	tests, err = vm.SurveyRows(string(b), match)
	return string(b), tests, err
}

// testFacing runs the tests that the page of -page names on the kernels of -facing.
func (a *app) testFacing(ctx context.Context) ([]vm.Summary, int) {
	if len(a.facingKernels()) == 0 {
		return nil, exitOK
	}
	_, tests, err := a.named(a.page)
	if err != nil {
		return nil, a.report(err)
	}
	m := &vm.Matrix{Cache: a.cache, Module: a.module, Options: a.options, Out: a.stdout}
	sums, err := m.RunNamed(ctx, a.facingKernels(), tests)
	if err != nil {
		return nil, a.report(err)
	}
	for i := range sums {
		sums[i].Name += ", the tests that " + a.page + " names"
	}
	return sums, codeOf(sums)
}
