package vm

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Kernelless finds the tests that need no Linux, by package as in ./ruleset: those in files that are
// compiled for another system, too. Name only packages that make lint vets for another system: what
// a file does at run time is not looked at.
func (m *Module) Kernelless(ctx context.Context, patterns []string) (map[string][]string, error) {
	pkgs, err := listPackages(ctx, &processor{goarch: "amd64", goEnv: []string{"GOOS=darwin"}}, patterns)
	if err != nil {
		return nil, err
	}
	found := map[string][]string{}
	for _, p := range pkgs {
		for _, f := range slices.Concat(p.TestGoFiles, p.XTestGoFiles) {
			names, err := testsIn(filepath.Join(p.Dir, f))
			if err != nil {
				return nil, fmt.Errorf("tests of %s: %w", p.ImportPath, err)
			}
			short := m.short(p.ImportPath)
			found[short] = append(found[short], names...)
		}
	}
	return found, nil
}

var testName = regexp.MustCompile(`^(Test|Fuzz)([^a-z].*)?$`)

// testsIn are the names of the tests and fuzz targets of a file.
func testsIn(path string) ([]string, error) {
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && testName.MatchString(fn.Name.Name) && fn.Name.Name != "TestMain" {
			names = append(names, fn.Name.Name)
		}
	}
	return names, nil
}

// RanHere keeps of tests, by package, those that this result says ran whole: only they may be left
// out elsewhere.
func (r *Result) RanHere(tests map[string][]string) map[string][]string {
	kept := map[string][]string{}
	for pkg, names := range tests {
		for _, n := range names {
			if r.Ran[(Outcome{Package: pkg, Test: n}).Name()] {
				kept[pkg] = append(kept[pkg], n)
			}
		}
	}
	return kept
}

// skipFlag is the flag that leaves out tests of a package, none if there are none.
func skipFlag(names []string) []string {
	if len(names) == 0 {
		return nil
	}
	return []string{"-test.skip=^(" + strings.Join(names, "|") + ")$"}
}
