package ruleset

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// TestGoldensAgainstNFT runs the command at the head of every golden file and compares nft's messages with the file's,
// attribute by attribute. It needs no flowtables: nft prints its batch before a kernel refuses it.
func TestGoldensAgainstNFT(t *testing.T) {
	testns.RequireNamespaces(t)
	if nlmsg.Native() != nlmsg.LittleEndian {
		t.Skip("not on this kernel: the golden files are little endian")
	}
	files, err := filepath.Glob("testdata/*.golden")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	ns := testns.NewT(t, "mnl")
	version, err := ns.Run(testContext(t), "", "nft", "--version")
	require.NoError(t, err)
	if !strings.Contains(version, "v1.0.") { // 1.1 adds its own version to tables and writes some ranges as one expression
		t.Skipf("not on this kernel: its nft is %s, the golden files are held to 1.0", strings.TrimSpace(version))
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			golden, err := os.ReadFile(file)
			require.NoError(t, err)
			head, dump, ok := strings.Cut(string(golden), "# EOF\n")
			require.True(t, ok)
			var nft string
			for _, line := range strings.Split(head, "\n")[1:] {
				nft += strings.TrimPrefix(line, "# ") + "\n"
			}
			// An error is expected where the kernel lacks flowtables or a device; the batch is complete all the same.
			out, runErr := ns.Run(testContext(t), nft, "nft", "--debug=mnl", "-c", "-f", "-")
			batch := mnlBatch(t, out)
			require.NotEmpty(t, batch, "nft printed no batch: %v", runErr)
			var theirs strings.Builder
			require.NoError(t, nlmsg.WriteText(&theirs, nlmsg.LittleEndian, batch))
			want, got := normalDump(theirs.String()), normalDump(dump)
			if want != got {
				t.Error("-nft +ours", cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")))
			}
		})
	}
}

// mnlBatch turns what `nft --debug=mnl` prints back into the bytes of its batch, without the frame, which a dry run lacks.
func mnlBatch(t *testing.T, text string) []byte {
	t.Helper()
	var all, batch []byte
	o := nlmsg.Native()
	attr := regexp.MustCompile(`^\|(\d+)\|(.)(.)\|(\d+)\|.*flags\| type`)
	for line := range strings.Lines(regexp.MustCompile(`\x1b\[[0-9;]*m`).ReplaceAllString(text, "")) {
		cell := strings.Fields(strings.Split(line+"| ", "|")[1])
		switch m := attr.FindStringSubmatch(line); {
		case m != nil:
			n, typ := mustUint(t, m[1]), mustUint(t, m[4])
			if m[2] == "N" {
				typ |= nlmsg.AttrNested
			}
			all = o.AppendUint16(o.AppendUint16(all, uint16(n)), uint16(typ))
		case strings.Contains(line, "message length"), strings.Contains(line, "sequence number"), strings.Contains(line, "port ID"):
			all = o.AppendUint32(all, uint32(mustUint(t, cell[0])))
		case strings.Contains(line, "type | flags"):
			all = o.AppendUint16(o.AppendUint16(all, uint16(mustUint(t, cell[0]))), nlmsg.FlagRequest)
		case strings.Contains(line, "extra header"), strings.Contains(line, "data      |"):
			for _, c := range cell {
				v, err := strconv.ParseUint(c, 16, 8)
				require.NoError(t, err)
				all = append(all, byte(v))
			}
		}
	}
	for rest := all; len(rest) > 0; {
		m, next, err := nlmsg.NextMessage(o, rest)
		require.NoError(t, err)
		if _, _, attrs, err := nlmsg.Netfilter(m.Data); err == nil && len(attrs) > 0 { // not a request for a dump
			batch = append(batch, rest[:len(rest)-len(next)]...)
		}
		rest = next
	}
	return batch
}

func mustUint(t *testing.T, s string) uint64 {
	t.Helper()
	v, err := strconv.ParseUint(s, 10, 32)
	require.NoError(t, err)
	return v
}

// A dumpNode is a line of a symbolic dump with what is indented below.
type dumpNode struct {
	line  string
	below []*dumpNode
}

// normalDump takes out of a dump what may differ between equal batches: header flags, sequence numbers, the order of
// attributes, what nft notes for itself about anonymous sets, and the operation of a bitwise expression where it is the default.
func normalDump(text string) string {
	root := &dumpNode{}
	path := []*dumpNode{root}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		depth := (len(line) - len(strings.TrimLeft(line, " "))) / 2
		node := &dumpNode{line: normalLine(strings.TrimSpace(line))}
		path = append(path[:depth+1], node)
		path[depth].below = append(path[depth].below, node)
	}
	var b strings.Builder
	for _, message := range root.below {
		if len(message.below) > 0 { // BATCH_BEGIN and BATCH_END have nothing to compare
			message.write(&b, 0)
		}
	}
	return b.String()
}

var withoutIdentity = regexp.MustCompile(`(f51466700001[0-9a-f]{32})?( ".*")?$`)

func normalLine(line string) string {
	if strings.HasPrefix(line, "#") {
		return strings.Join(strings.Fields(line)[1:3], " ")
	}
	if strings.HasPrefix(line, "NFTA_RULE_USERDATA") { // our identity stands behind the comment; nft has none
		return withoutIdentity.ReplaceAllString(line, "")
	}
	if strings.HasPrefix(line, "NFTA_LIST_ELEM(") {
		return "NFTA_LIST_ELEM"
	}
	return line
}

func (n *dumpNode) write(b *strings.Builder, depth int) {
	fmt.Fprintf(b, "%s%s\n", strings.Repeat("  ", depth), n.line)
	anonymous := slices.ContainsFunc(n.below, func(c *dumpNode) bool { return c.line == `NFTA_SET_NAME "__set%d"` })
	if n.line != "NFTA_RULE_EXPRESSIONS" && n.line != "NFTA_SET_ELEM_LIST_ELEMENTS" {
		slices.SortStableFunc(n.below, func(x, y *dumpNode) int { return strings.Compare(x.line, y.line) })
	}
	for _, c := range n.below {
		if c.line == "NFTA_BITWISE_OP 0" || c.line == "NFTA_RULE_USERDATA " || anonymous && strings.HasPrefix(c.line, "NFTA_SET_USERDATA") {
			continue
		}
		c.write(b, depth+1)
	}
}
