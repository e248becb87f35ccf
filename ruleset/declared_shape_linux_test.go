package ruleset

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// TestDeclaredAgainstShapes loads each shape by nft and each declaration by our batch, and compares what nft lists, part by part
// and rule by rule. What is listed otherwise must be one of the differences of the case, and each of these must occur. A kernel
// without flowtables is given both without them.
func TestDeclaredAgainstShapes(t *testing.T) {
	testns.RequireNamespaces(t)
	flowtables, reason := testns.HaveFlowtables(testContext(t))
	require.True(t, flowtables || os.Getenv("FASTPATH_VM") == "", reason)
	for _, c := range declared() {
		if c.shape == "" {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			text, spec := readShape(t, c.name+".nft"), c.spec
			if !flowtables {
				text, spec = withoutFlowtableText(text), withoutFlowtables(spec)
			} else if !byName(t) && strings.Contains(text, "ppp*") {
				t.Skip("not on this kernel: prefixes as devices of flowtables")
			}
			theirs, ours := shapeNamespace(t, c.spec), shapeNamespace(t, c.spec)
			require.NoError(t, theirs.NFT(testContext(t), text))
			apply(t, ours, spec)
			compareParts(t, c, flowtables, partsOf(listing(t, theirs)), partsOf(listing(t, ours)))
		})
	}
}

// TestFirewalldJSON compares with the shape that firewalld sends, in JSON, and our JSON with it.
func TestFirewalldJSON(t *testing.T) {
	testns.RequireFlowtables(t)
	theirs, ours := shapeNamespace(t, firewalld()), shapeNamespace(t, firewalld())
	_, err := theirs.Run(testContext(t), readShape(t, "firewalld.json"), "nft", "-j", "-f", "-")
	require.NoError(t, err)
	loadJSON(t, ours, firewalld(), nil)
	c := declaredCase{differs: []difference{stateSet}, spec: firewalld()}
	want, got := partsOf(listing(t, theirs)), partsOf(listing(t, ours))
	rules := want["table inet zones chain through"]
	want["table inet zones chain through"] = append(rules, "ct state established,related accept") // theirs ends sooner
	compareParts(t, c, true, want, got)
}

// TestInputChainRefused: what Validate refuses the kernel refuses too.
func TestInputChainRefused(t *testing.T) {
	testns.RequireFlowtables(t)
	ns := shapeNamespace(t, inputChain())
	err := ns.NFT(testContext(t), readShape(t, "input-chain.nft"))
	require.ErrorContains(t, err, "Operation not supported")
	assert.Empty(t, listing(t, ns))
}

// shapeNamespace has the devices of the flowtables and those that the shapes name by index.
func shapeNamespace(t *testing.T, spec *Spec) *testns.Namespace {
	t.Helper()
	ns := testns.NewT(t, "shape")
	var lines []string
	for i, name := range deviceNames(spec) {
		kind := "dummy"
		if os.Getenv("FASTPATH_VM") == "" { // a kernel can be without dummies; veth pairs take longer
			kind = fmt.Sprint("veth peer name peer", i)
		}
		lines = append(lines, "link add "+name+" type "+kind)
	}
	if lines != nil {
		require.NoError(t, ns.IP(testContext(t), lines...))
	}
	return ns
}

var (
	flowtableBlock = regexp.MustCompile(`flowtable \S+ \{[^{}]*(\{[^{}]*\}[^{}]*)*\}`)
	flowStatement  = regexp.MustCompile(`flow (add|offload) @[^;\s]+`)
)

// withoutFlowtableText leaves out of an nft text what withoutFlowtables leaves out of a Spec.
func withoutFlowtableText(text string) string {
	return flowStatement.ReplaceAllString(flowtableBlock.ReplaceAllString(text, ""), "")
}

// parts are the lines of a listing by the block that they stand in: "table inet t chain c".
type parts map[string][]string

var (
	counted = regexp.MustCompile(`packets \d+ bytes \d+`)
	braces  = regexp.MustCompile(`\{ [^{}]* \}`)
)

// partsOf reads a listing. What may differ between equal rulesets is made equal: counts, the order of elements and devices, the
// comments of tables, which hold our mark.
func partsOf(text string) parts {
	p := parts{}
	var table, block string
	text = regexp.MustCompile(`,\n\s*`).ReplaceAllString(text, ", ") // elements over several lines
	for line := range strings.Lines(text) {
		depth := len(line) - len(strings.TrimLeft(line, "\t"))
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line == "}" || depth == 1 && strings.HasPrefix(line, "comment "):
		case depth == 0:
			table = strings.TrimSuffix(line, " {")
			p[table] = nil
		case depth == 1:
			block = table + " " + strings.TrimSuffix(line, " {")
			p[block] = nil
		default:
			line = counted.ReplaceAllString(line, "packets 0 bytes 0")
			p[block] = append(p[block], braces.ReplaceAllStringFunc(line, sortBraces))
		}
	}
	return p
}

// sortBraces sorts the elements between braces.
func sortBraces(text string) string {
	words := strings.Split(text[2:len(text)-2], ", ")
	slices.Sort(words)
	return "{ " + strings.Join(words, ", ") + " }"
}

// compareParts holds our listing to theirs with the case's differences applied.
func compareParts(t *testing.T, c declaredCase, flowtables bool, theirs, ours parts) {
	t.Helper()
	used := make([]bool, len(c.differs))
	for block, lines := range theirs {
		theirs[block] = c.translate(lines, used)
	}
	for block := range ours {
		_, there := theirs[block]
		assert.True(t, there, "the shape has no %s", block)
	}
	for block, lines := range theirs {
		got, there := ours[block]
		assert.True(t, there, "we have no %s", block)
		if !assert.Equal(t, lines, got, block) {
			continue
		}
	}
	for i, d := range c.differs {
		assert.True(t, used[i], "no line matches %s", d.theirs)
	}
	assert.Equal(t, flowtables, slices.ContainsFunc(keysOf(theirs), func(s string) bool {
		return strings.Contains(s, " flowtable ") && len(theirs[s]) > 1
	}), "flowtables were compared")
}

// translate says theirs in our way, and notes which differences it took.
func (c *declaredCase) translate(lines []string, used []bool) []string {
	var all []string
	for _, line := range lines {
		for i, d := range c.differs {
			if d.theirs.MatchString(line) {
				used[i] = true
				line = d.theirs.ReplaceAllString(line, d.ours)
			}
		}
		if line != "" {
			all = append(all, strings.Split(line, "\n")...)
		}
	}
	return all
}

func keysOf(p parts) []string {
	var keys []string
	for k := range p {
		keys = append(keys, k)
	}
	return keys
}
