package fastpath_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNothingIsCopied holds the project's rulesets, specs and pages against texts of others, where those are there to be held against: three
// lines in a row that say something are not by chance. Tests read such texts where they stand.
func TestNothingIsCopied(t *testing.T) {
	folder := os.Getenv("FASTPATH_RULESETS")
	if folder == "" {
		folder = "../shared/data"
	}
	theirs := map[string]string{} // three lines, and the file that has them
	err := filepath.WalkDir(folder, func(file string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		runs, err := runsOf(file)
		for _, run := range runs {
			theirs[run] = file
		}
		return err
	})
	if len(theirs) == 0 {
		t.Skipf("no texts of others below %s (%v); name their folder in FASTPATH_RULESETS", folder, err)
	}
	held := 0
	err = filepath.WalkDir(".", func(file string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name := entry.Name(); name == ".git" || name == "bin" {
				return filepath.SkipDir
			}
			return nil
		}
		switch filepath.Ext(file) {
		case ".nft", ".json", ".txt", ".md", ".golden", ".go", ".sh":
		default:
			return nil
		}
		held++
		runs, err := runsOf(file)
		for _, run := range runs {
			if from := theirs[run]; from != "" {
				t.Errorf("%s has from %s, word for word:\n%s", file, filepath.Base(from), run)
				break
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if held < 100 {
		t.Fatalf("only %d files were held against them", held)
	}
}

// runsOf are all three lines in a row of a file that say something, without the white space at their ends.
func runsOf(file string) ([]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var last, runs []string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if len(line) < 20 {
			last = nil
			continue
		}
		if last = append(last, line); len(last) > 3 {
			last = last[1:]
		}
		if len(last) == 3 {
			runs = append(runs, strings.Join(last, "\n"))
		}
	}
	return runs, nil
}
