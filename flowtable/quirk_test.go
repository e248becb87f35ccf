package flowtable

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestQuirks: each has a name of its own and says all that it has to.
func TestQuirks(t *testing.T) {
	seen := map[string]bool{}
	for _, q := range Quirks() {
		assert.Regexp(t, `^[a-z0-9]+(-[a-z0-9]+)*$`, q.ID)
		assert.False(t, seen[q.ID], "%s twice", q.ID)
		seen[q.ID] = true
		for _, text := range []string{q.Effect, q.Do, q.Source} {
			assert.NotEmpty(t, text, q.ID)
			assert.False(t, strings.HasSuffix(text, ".") || strings.Contains(text, "|") || strings.Contains(text, "\n"), "%s: %s", q.ID, text)
		}
		if q.From != "" && q.Until != "" {
			assert.True(t, before(q.From, q.Until), q.ID)
		}
		for _, s := range q.Stable {
			for _, end := range []string{s.From, s.Until} {
				v := versionOf(end)
				assert.True(t, end == "" || v.sameSeries(s.series()) && !v.anyPatch, "%s: %v", q.ID, s)
			}
		}
		assert.Contains(t, q.String(), q.Effect)
		text, err := json.Marshal(q)
		require.NoError(t, err)
		var back Quirk
		require.NoError(t, json.Unmarshal(text, &back))
		assert.Equal(t, q, back)
	}
}

func TestQuirksOf(t *testing.T) {
	has := func(release string) map[string]bool {
		ids := map[string]bool{}
		for _, q := range (Kernel{Release: release}).Quirks() {
			ids[q.ID] = true
		}
		return ids
	}
	old, middle, recent := has("6.1.0-56-amd64"), has("6.17.1"), has("7.2.13-amd64")
	assert.True(t, old["missing-device"] && !middle["missing-device"] && !recent["missing-device"])
	assert.True(t, old["no-wildcard"] && !has("6.16.12")["no-wildcard"] && has("6.16.12")["nft-hides-prefixes"])
	assert.True(t, old["fin-leaves"] && has("6.12.117+deb13-amd64")["fin-leaves"] && !middle["fin-leaves"] && !recent["fin-leaves"])
	assert.True(t, !old["fin-stays"] && middle["fin-stays"] && recent["fin-stays"])
	assert.True(t, recent["filter-v6-inverted"] && !has("7.3.4+deb13-amd64")["filter-v6-inverted"])
	assert.True(t, Kernel{Release: "7.3.4"}.HasQuirk("tag-can-be-lost") && !Kernel{Release: "7.2.13"}.HasQuirk("tag-can-be-lost"))
	assert.True(t, Kernel{}.HasQuirk("tag-can-be-lost") && !Kernel{}.HasQuirk("no-such-quirk"))
	assert.True(t, !recent["tag-can-be-lost"] && has("7.3.4+deb13-amd64")["tag-can-be-lost"])
	assert.True(t, !old["dry-run-hole"] && has("6.12.95+deb12-amd64")["dry-run-hole"] && recent["dry-run-hole"])
	assert.True(t, old["255-devices"] && recent["255-devices"])
	for release, want := range map[string][2]bool{"6.18.15+deb13-amd64": {}, "6.19.14+deb13-amd64": {true, true}, "7.0.13+deb13-amd64": {true, true}, "7.1.13+deb13-amd64": {false, true}, "7.2.13": {}} {
		assert.Equal(t, want, [2]bool{has(release)["panics-below-pppoe-qinq"], has(release)["breaks-without-ethernet"]}, release)
	}
	assert.Len(t, Kernel{Release: ""}.Quirks(), len(Quirks()), "of an unknown kernel all may be true")
}

// TestQuirksOfStableReleases: some changed within a series; where the patch level is unknown, a quirk may hold.
func TestQuirksOfStableReleases(t *testing.T) {
	for id, releases := range map[string]map[string]bool{
		"neighbour-address": {
			"6.18": true, "6.18-rc7": false, "6.18.15+deb13-amd64": false, "6.18.44": false, "6.18.45": true, "6.18.52-generic": true, "6.19": true, "6.17.99": false,
		},
		"filter-v6-inverted": {"6.12.95+deb12-amd64": true, "6.12.117+deb13-amd64": false, "6.12.0-3-amd64": true, "6.13.1": true, "6.11.200": true, "7.3-rc1": false},
		"hardware-one-way": {
			"6.1.71": false, "6.1.72": true, "6.1.176": true, "6.1.191": false, "6.1.0-57-amd64": true, "6.2.1": false, "6.3.0": true, "6.8.0-49-generic": false,
		},
	} {
		for release, want := range releases {
			assert.Equal(t, want, KernelOf(release).HasQuirk(id), "%s of %s", id, release)
		}
	}
	told := KernelOf("6.1.0-57-amd64")
	told.Version = "6.1.192"
	assert.False(t, told.HasQuirk("hardware-one-way"), "the version tells what the release does not")
	assert.False(t, told.HasQuirk("no-such-quirk"))
}

func TestReleasesOfQuirks(t *testing.T) {
	for want, q := range map[string]Quirk{
		"all": {}, "before 6.16": {Until: "6.16"}, "since 7.2": {From: "7.2"}, "since 6.16, before 6.18": {From: "6.16", Until: "6.18"},
		"since 6.19, and of 6.18 since 6.18.45":   {From: "6.19", Stable: []Span{{From: "6.18.45"}}},
		"before 7.3, and of 6.12 before 6.12.117": {Until: "7.3", Stable: []Span{{Until: "6.12.117"}}},
	} {
		assert.Equal(t, want, q.Releases())
	}
}

func TestVersionOf(t *testing.T) {
	for release, want := range map[string]version{
		"6.12.117": {6, 12, 117, false, false}, "6.12.117+deb13-amd64": {6, 12, 117, false, false}, "7.2.13-amd64": {7, 2, 13, false, false}, "6.18.44-fc-v669": {6, 18, 44, false, false},
		"6.1.0": {6, 1, 0, false, false}, "6.18-rc1": {6, 18, 0, false, true}, "6.18.0-rc1": {6, 18, 0, false, true}, "6.18~rc1-1": {6, 18, 0, false, true},
		"6.12": {6, 12, 0, true, false}, "6.1.0-57-amd64": {6, 1, 0, true, false}, "6.8.0-49-generic": {6, 8, 0, true, false}, "5.14.0-427.el9": {5, 14, 0, true, false},
		"": {}, "7": {}, "7.x": {}, "-7.2": {}, "linux": {}, "6.99999999999999999999": {},
	} {
		assert.Equal(t, want, versionOf(release), release)
	}
}

const (
	quirksBegin = "<!-- quirks: written by `go test ./flowtable -run TestQuirksInDocs -update` -->\n"
	quirksEnd   = "<!-- end of quirks -->\n"
)

// TestQuirksInDocs holds the table in the guide equal to the one in the code.
func TestQuirksInDocs(t *testing.T) {
	path := filepath.Join("..", "docs", "KERNELS.md")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	head, rest, ok := bytes.Cut(text, []byte(quirksBegin))
	require.True(t, ok)
	was, tail, ok := bytes.Cut(rest, []byte(quirksEnd))
	require.True(t, ok)
	var table strings.Builder
	table.WriteString("\n| quirk | kernels | what happens | what to do | source, and the test that shows it |\n|---|---|---|---|---|\n")
	for _, q := range Quirks() {
		table.WriteString("| " + strings.Join([]string{q.ID, q.Releases(), q.Effect, q.Do, q.Source}, " | ") + " |\n")
	}
	table.WriteString("\n")
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(string(head)+quirksBegin+table.String()+quirksEnd+string(tail)), 0o644))
		return
	}
	assert.Equal(t, table.String(), string(was), "run with -update")
}

// TestQuirksNameTests: the tests that quirks name exist.
func TestQuirksNameTests(t *testing.T) {
	var sources bytes.Buffer
	require.NoError(t, filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, "_test.go") {
			var text []byte
			text, err = os.ReadFile(path)
			sources.Write(text)
		}
		return err
	}))
	for _, q := range Quirks() {
		for _, name := range regexp.MustCompile(`Test\w+`).FindAllString(q.Source, -1) {
			assert.True(t, bytes.Contains(sources.Bytes(), []byte("func "+name+"(")), "%s names %s", q.ID, name)
		}
	}
}
