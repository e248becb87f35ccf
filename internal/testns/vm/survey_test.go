package vm

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const surveyPage = "# Kernels\n`TestB` and TestA, TestB again; Tests are many.\n" + surveyBegin + surveyEnd + "\nThe end, `TestC`.\n"

func TestSurveyRows(t *testing.T) {
	rows, err := SurveyRows(surveyPage, regexp.MustCompile(""))
	require.NoError(t, err)
	assert.Equal(t, []string{"TestB", "TestA", "TestC"}, rows)
	rows, err = SurveyRows(surveyPage, regexp.MustCompile("^Test[AC]$"))
	require.NoError(t, err)
	assert.Equal(t, []string{"TestA", "TestC"}, rows)
	_, err = SurveyRows(surveyPage, regexp.MustCompile("^TestX$"))
	require.ErrorContains(t, err, "names no test")
	_, err = SurveyRows("no marks", regexp.MustCompile(""))
	require.ErrorContains(t, err, surveyEnd[:10])
}

// TestSurveyKeepsWhatWasFound: a page is written and read back; a kernel that was not run keeps its column, and of one that was run again the
// cells that were not tried stay while its version is the same.
func TestSurveyKeepsWhatWasFound(t *testing.T) {
	s, err := ParseSurvey(surveyPage)
	require.NoError(t, err)
	s.set(surveyColumn{"7.3", "7.3.4-1", "2026-11-30", map[string]string{"TestA": cellPassed, "TestB": cellFailed}})
	s.set(surveyColumn{"6.1", "6.1.192-3", "2026-11-28", map[string]string{"TestA": cellLacks}})
	page, err := WriteSurvey(surveyPage, s)
	require.NoError(t, err)
	const want = "\n| test | 6.1: 6.1.192-3, 2026-11-28 | 7.3: 7.3.4-1, 2026-11-30 |\n|---|---|---|\n" +
		"| `TestB` | - | FAILED |\n| `TestA` | not on this kernel | passed |\n\n"
	assert.Equal(t, strings.Replace(surveyPage, surveyBegin, surveyBegin+want, 1), page)

	again, err := ParseSurvey(page)
	require.NoError(t, err)
	assert.Equal(t, s, again)
	again.set(surveyColumn{"7.3", "7.3.4-1", "2026-12-01", map[string]string{"TestB": cellPassed}})
	again.set(surveyColumn{"6.1", "6.1.200-1", "2026-12-01", map[string]string{"TestC": cellPassed}})
	assert.Equal(t, map[string]string{"TestA": cellPassed, "TestB": cellPassed}, again.columns[1].cells)
	assert.Equal(t, map[string]string{"TestC": cellPassed}, again.columns[0].cells, "of another version")

	_, err = ParseSurvey(strings.Replace(page, "| `TestB` | - ", "| `TestB` ", 1))
	require.ErrorContains(t, err, "a row of 1 cells")
}

func TestCellsOf(t *testing.T) {
	r := Result{Tests: []Verdict{{"./a", "TestA", cellLacks}, {"./b", "TestA", cellPassed}, {"./a", "TestB", cellFailed}, {"./b", "TestB", cellPassed}, {"./a", "TestX", cellPassed}}}
	rows := []string{"TestA", "TestB", "TestC"}
	assert.Equal(t, map[string]string{"TestA": cellPassed, "TestB": cellFailed}, cellsOf(r, rows, false))
	assert.Equal(t, map[string]string{"TestA": cellPassed, "TestB": cellFailed, "TestC": cellPanics}, cellsOf(r, rows, true))
}
