package ruleset

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// otherRulesets is where rulesets of others are, if they are here: they are read where they stand, and none of them is part of this project.
func otherRulesets(t *testing.T) []string {
	t.Helper()
	if os.Getenv("FASTPATH_VM") != "" {
		return nil // the package's own files alone are there
	}
	folder := os.Getenv("FASTPATH_RULESETS")
	if folder == "" {
		folder = "../../shared/data"
	}
	var files []string
	for _, below := range []string{"rulesets", "rulesets-2", "constructs"} {
		found, err := filepath.Glob(filepath.Join(folder, below, "*.nft"))
		require.NoError(t, err)
		files = append(files, found...)
	}
	if len(files) == 0 {
		t.Skip("no rulesets of others below " + folder + "; name their folder in FASTPATH_RULESETS")
	}
	return files
}

var (
	quotedDevice = regexp.MustCompile(`\b(?:iif|oif|iifname|oifname|device)\s+(?:!= )?"([A-Za-z0-9@._-]{1,15})"`)
	deviceList   = regexp.MustCompile(`\bdevices?\s*=?\s*\{([^}]*)\}`)
	deviceName   = regexp.MustCompile(`[A-Za-z][A-Za-z0-9._-]{0,14}`)
)

// TestRulesetsOfOthers reads what people run, as this kernel holds it once nft has loaded it: everything decodes, and what stands in the way of a
// flowtable on the same devices is told without an error. A kernel without flowtables gets them without.
func TestRulesetsOfOthers(t *testing.T) {
	testns.RequireNamespaces(t)
	flowtables, _ := testns.HaveFlowtables(testContext(t))
	read, tried := 0, 0
	var refused []string
	for _, file := range otherRulesets(t) {
		tried++
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		ns := testns.NewT(t, "others")
		devices := devicesIn(string(text))
		for i, d := range devices { // kernels can be without dummies
			require.NoError(t, ns.IP(testContext(t), fmt.Sprint("link add ", d, " type veth peer name peer", i)))
		}
		body := string(text)
		if !flowtables {
			body = withoutFlowtableText(body)
		}
		if err := ns.NFT(testContext(t), body); err != nil { // for newer kernels, or nft does not know it
			refused = append(refused, filepath.Base(file))
			continue
		}
		read++
		var have *Loaded
		for try := 0; have == nil || have.Torn() && try < 100; try++ { // a large set moves its memory for a while
			have, err = Load("", seqOf(dump(t, ns)))
			require.NoError(t, err, file)
		}
		assert.False(t, have.Torn(), file)
		assert.NotEmpty(t, have.Tables(), file)
		beside := &Spec{Owner: "beside", Tables: []Table{{Name: "beside", Flowtables: []flowtable.Spec{{Name: "f", Devices: selectors(devices)}}}}}
		for _, f := range resolved(t, beside).Conflicts(have) {
			assert.NotEmpty(t, f.Code, file)
			assert.NotContains(t, f.String(), "%!", file)
		}
	}
	t.Logf("read %d of %d; nft or this kernel refused %v", read, tried, refused)
	if tried > 0 {
		assert.Greater(t, read, tried/2, "too few to say anything: %v", refused)
	}
}

func devicesIn(text string) []string {
	var list []string
	for _, m := range quotedDevice.FindAllStringSubmatch(text, -1) {
		list = append(list, m[1])
	}
	for _, m := range deviceList.FindAllStringSubmatch(text, -1) {
		list = append(list, deviceName.FindAllString(m[1], -1)...)
	}
	slices.Sort(list)
	return slices.DeleteFunc(slices.Compact(list), func(d string) bool { return d == "lo" || strings.HasSuffix(d, "*") })
}

func selectors(devices []string) []flowtable.Selector {
	var list []flowtable.Selector
	for _, d := range devices {
		list = append(list, flowtable.Selector{Name: d})
	}
	return list
}

// Somebody put a map of two names into our table: its keys are longer than any of ours, and two that begin alike are no sign of a dump that was torn.
func TestLongKeysOfOthersInOurTable(t *testing.T) {
	testns.RequireNamespaces(t)
	ns := testns.NewT(t, "longkeys")
	ours := &Spec{Tables: []Table{{Name: "ours", Chains: []Chain{{Name: "c", Hook: Forward}}}}}
	apply(t, ns, ours)
	require.NoError(t, ns.NFT(testContext(t), `
		add map inet ours theirs { type ifname . ifname : verdict; }
		add element inet ours theirs { "lan0" . "wan0" : accept, "lan0" . "wan1" : drop }`))
	have := loadFrom(t, ns) // it is not torn
	plan, err := Diff(have, resolved(t, ours))
	require.NoError(t, err)
	require.Len(t, plan.Operations(), 1)
	assert.Contains(t, plan.Operations()[0].String(), "delete set inet ours theirs")
}
