package ruleset

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const rulesetsDoc = `# Rulesets from the world

What the model of package ruleset carries of rulesets that people run. The rulesets are our own, each in the shape of one that is
found in the world: the same constructs, with other names, addresses, ports and comments. They are in ruleset/testdata/shapes, with
variables, includes and templates resolved. Each is declared as a Spec (ruleset/declared*_test.go), whose nft text is in
ruleset/testdata/declared. A test loads the text of the shape by nft and the Spec by our batch, on Linux 6.1, 6.12 and 7.2, and
compares nft's listings of both rule by rule: they are the same but for the differences given here, each of which must occur.

Written by ` + "`go test ./ruleset -run TestRulesetsDoc -update`" + `.

`

// TestRulesetsDoc compares docs/rulesets.md with what the tests declare.
func TestRulesetsDoc(t *testing.T) {
	if os.Getenv("FASTPATH_VM") != "" {
		return // the micro VMs have no docs; the test has run where they are built
	}
	got := rulesetsDoc + declaredRows() + differenceRows("Declared in another way", "Otherwise") +
		differenceRows("Not declared", "Cannot") + undeclaredRows()
	path := filepath.Join("..", "docs", "rulesets.md")
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "write it with -update")
	require.Equal(t, string(want), got)
}

func declaredRows() string {
	text := "| declared | the shape of | whole? |\n|---|---|---|\n"
	for _, c := range declared() {
		if c.shape == "" {
			continue
		}
		otherwise, cannot := 0, 0
		for _, d := range c.differs {
			if d.kind() == "Cannot" {
				cannot++
			} else {
				otherwise++
			}
		}
		as := "whole"
		switch {
		case cannot > 0:
			as = fmt.Sprintf("in part: %d kinds of statements left out", cannot)
			if cannot == 1 {
				as = "in part: one kind of statements left out"
			}
		case otherwise > 0:
			as = "whole, in part otherwise"
		}
		text += fmt.Sprintf("| %s | %s | %s |\n", c.name, c.shape, as)
	}
	return text + "\n"
}

// differenceRows lists each difference of a kind with those that have it.
func differenceRows(title, kind string) string {
	var order []string
	who := map[string][]string{}
	for _, c := range declared() {
		for _, d := range c.differs {
			if d.kind() != kind {
				continue
			}
			if who[d.why] == nil {
				order = append(order, d.why)
			}
			who[d.why] = append(who[d.why], c.name)
		}
	}
	slices.Sort(order)
	text := "## " + title + "\n\n"
	if kind == "Cannot" {
		text += "The caller's own expressions (ruleset/rawexpr) can carry each of these that needs neither a set nor an object.\n\n"
	}
	for _, why := range order {
		text += fmt.Sprintf("- %s: %s\n", why, strings.Join(who[why], ", "))
	}
	if kind == "Cannot" {
		text += "- helpers of conntrack as objects, and the rules that assign them: left out of the shapes of openwrt-fw4, for their modules are not everywhere\n"
	}
	return text + "\n"
}

func undeclaredRows() string {
	text := "## Rulesets that are not declared\n\n"
	for _, u := range undeclared() {
		file := ""
		if u.file != "" {
			file = " (" + u.file + ")"
		}
		text += fmt.Sprintf("- %s%s: %s.\n", u.shape, file, u.why)
	}
	return text
}
