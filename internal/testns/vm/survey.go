package vm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// A Survey is which of the tests that a page names pass on which kernel, as the page tells it. It is a plain value.
type Survey struct{ columns []surveyColumn }

// A surveyColumn is what one kernel did.
type surveyColumn struct {
	selector, version, date string
	cells                   map[string]string // by the test's name
}

// What a survey is between in its page.
const (
	surveyBegin = "<!-- survey: written by `make survey` -->\n"
	surveyEnd   = "<!-- end of survey -->\n"
)

// What a cell says. Nothing was found out of a test that has none.
const (
	cellPassed = "passed"
	cellFailed = "FAILED"
	cellLacks  = "not on this kernel"
	cellPanics = "not run: panics"
	cellNone   = "-"
)

// surveyPackages hold the tests that pages name. trafficPackages are those of them that build topologies with all kinds of stacks.
func surveyPackages() []string {
	return []string{"./offload", "./offload/offloadtest", "./conntrack", "./internal/kernel", "./internal/testns", "./ruleset"}
}

func trafficPackages() []string { return []string{"./offload", "./internal/testns"} }

// splitSurvey divides a page into what is before the survey, the survey, and the rest.
func splitSurvey(page string) (head, survey, tail string, err error) {
	head, rest, ok := strings.Cut(page, surveyBegin)
	survey, tail, closed := strings.Cut(rest, surveyEnd)
	if !ok || !closed {
		return "", "", "", fmt.Errorf("the page has no %q with %q below it: put both where the survey is to stand",
			strings.TrimSpace(surveyBegin), strings.TrimSpace(surveyEnd))
	}
	return head, survey, tail, nil
}

// SurveyRows are the tests that a page names, in its order, as far as they match.
func SurveyRows(page string, match *regexp.Regexp) ([]string, error) {
	head, _, tail, err := splitSurvey(page)
	if err != nil {
		return nil, err
	}
	var rows []string
	for _, name := range regexp.MustCompile(`\bTest[A-Z]\w*`).FindAllString(head+tail, -1) {
		if match.MatchString(name) && !slices.Contains(rows, name) {
			rows = append(rows, name)
		}
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("the page names no test that matches %s", match)
	}
	return rows, nil
}

// ParseSurvey reads what a page says.
func ParseSurvey(page string) (*Survey, error) {
	_, text, _, err := splitSurvey(page)
	if err != nil {
		return nil, err
	}
	s := &Survey{}
	for _, line := range strings.Split(text, "\n") {
		f := strings.Split(strings.Trim(line, "| "), " | ")
		switch {
		case !strings.HasPrefix(line, "| "):
		case f[0] == "test":
			for _, h := range f[1:] {
				selector, rest, _ := strings.Cut(h, ": ")
				version, date, _ := strings.Cut(rest, ", ")
				s.columns = append(s.columns, surveyColumn{selector, version, date, map[string]string{}})
			}
		case len(f) == len(s.columns)+1:
			for i, cell := range f[1:] {
				if cell != cellNone {
					s.columns[i].cells[strings.Trim(f[0], "`")] = cell
				}
			}
		default:
			return nil, fmt.Errorf("the survey has %d columns, and a row of %d cells: %s", len(s.columns), len(f)-1, line)
		}
	}
	return s, nil
}

// set puts a column in the place of an older one. What the older one says of tests that were not run now stays while the version is the same.
func (s *Survey) set(c surveyColumn) {
	at := slices.IndexFunc(s.columns, func(o surveyColumn) bool { return o.selector == c.selector })
	if at < 0 {
		s.columns = append(s.columns, c)
		order := Selectors()
		slices.SortStableFunc(s.columns, func(a, b surveyColumn) int {
			return slices.Index(order, a.selector) - slices.Index(order, b.selector)
		})
		return
	}
	if old := s.columns[at]; old.version == c.version {
		for test, cell := range old.cells {
			if c.cells[test] == "" {
				c.cells[test] = cell
			}
		}
	}
	s.columns[at] = c
}

// Table is the survey as a page has it. Rows of which nothing is known are left out.
func (s *Survey) Table(rows []string) string {
	var b strings.Builder
	b.WriteString("| test")
	for _, c := range s.columns {
		fmt.Fprintf(&b, " | %s: %s, %s", c.selector, c.version, c.date)
	}
	b.WriteString(" |\n|---" + strings.Repeat("|---", len(s.columns)) + "|\n")
	for _, row := range rows {
		cells, known := "", false
		for _, c := range s.columns {
			cell := c.cells[row]
			known = known || cell != ""
			if cell == "" {
				cell = cellNone
			}
			cells += " | " + cell
		}
		if known {
			fmt.Fprintf(&b, "| `%s`%s |\n", row, cells)
		}
	}
	return b.String()
}

// WriteSurvey is a page with a survey in the place of its old one.
func WriteSurvey(page string, s *Survey) (string, error) {
	head, _, tail, err := splitSurvey(page)
	if err != nil {
		return "", err
	}
	rows, err := SurveyRows(page, regexp.MustCompile(""))
	if err != nil {
		return "", err
	}
	return head + surveyBegin + "\n" + s.Table(rows) + "\n" + surveyEnd + tail, nil
}

// Run boots each kernel with the tests of the rows and enters what they did, with the date. A kernel that cannot be had keeps what the survey
// says of it. The summaries are in the order of the names.
func (s *Survey) Run(ctx context.Context, m *Matrix, names, rows []string, date string) ([]Summary, error) {
	var sums []Summary
	for _, name := range names {
		r, panics, err := m.runNamed(ctx, name, rows)
		if err != nil {
			return nil, err
		}
		sums = append(sums, r)
		if r.NotRun == "" && len(r.Result.Tests) > 0 {
			_, version, _ := strings.Cut(r.Detail, ", ")
			s.set(surveyColumn{name, version, date, cellsOf(r.Result, rows, panics)})
		}
	}
	return sums, nil
}

// RunNamed boots each kernel with the tests of these names alone, out of the packages that hold what pages name. The summaries are in the order of
// the kernels. An error means that nothing could be run at all.
func (m *Matrix) RunNamed(ctx context.Context, selectors, tests []string) (sums []Summary, err error) {
	for _, name := range selectors {
		s, _, err := m.runNamed(ctx, name, tests)
		if err != nil {
			return nil, err
		}
		sums = append(sums, s)
	}
	return sums, nil
}

// runNamed leaves the packages out that build stacks of devices where the kernel panics under them, and says so.
func (m *Matrix) runNamed(ctx context.Context, selector string, tests []string) (s Summary, panics bool, err error) {
	ch, err := choose(selector)
	if err != nil {
		return s, false, err
	}
	packages := surveyPackages()
	if ch.panics {
		packages = slices.DeleteFunc(packages, func(p string) bool { return slices.Contains(trafficPackages(), p) })
	}
	named := *m
	named.Options.LeftToHost = nil // these are few, and all of them are wanted
	named.Options.Run = "^(" + strings.Join(tests, "|") + ")$"
	sums, err := named.Run(ctx, []string{selector}, packages)
	if err != nil {
		return s, ch.panics, err
	}
	return sums[0], ch.panics, nil
}

// cellsOf says what each test of the rows did. Of several with one name the worst counts.
func cellsOf(r Result, rows []string, panics bool) map[string]string {
	cells := map[string]string{}
	rank := []string{"", cellLacks, cellPassed, cellFailed}
	for _, t := range r.Tests {
		if slices.Contains(rows, t.Test) && slices.Index(rank, t.Verdict) > slices.Index(rank, cells[t.Test]) {
			cells[t.Test] = t.Verdict
		}
	}
	for _, row := range rows {
		if panics && cells[row] == "" {
			cells[row] = cellPanics
		}
	}
	return cells
}

// Report prints the survey, and what went wrong.
func (s *Survey) Report(w io.Writer, rows []string, sums []Summary) error {
	fmt.Fprint(w, s.Table(rows))
	var errs []error
	for _, sum := range sums {
		fmt.Fprintln(w, sum)
		errs = append(errs, sum.Err)
	}
	return errors.Join(errs...)
}
