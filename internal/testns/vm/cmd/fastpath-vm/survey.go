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
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	match, err := regexp.Compile(a.options.Run)
	if err != nil {
		return err
	}
	rows, err := vm.SurveyRows(string(page), match)
	if err != nil {
		return err
	}
	s, err := vm.ParseSurvey(string(page))
	if err != nil {
		return err
	}
	m := vm.Matrix{Cache: a.cache, Module: a.module, Options: a.options, Out: a.stdout}
	sums, err := s.Run(ctx, m, a.kernels(), rows, time.Now().UTC().Format(time.DateOnly))
	if err != nil {
		return err
	}
	if page, err = os.ReadFile(path); err != nil { // the boots took long: it may have been edited
		return err
	}
	text, err := vm.WriteSurvey(string(page), s)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return err
	}
	return s.Report(a.stdout, rows, sums)
}
