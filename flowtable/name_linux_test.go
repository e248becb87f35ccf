package flowtable_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// wordFiles are the places where a name stands, in the block form and in that of one command a line: %s is the name. What the
// kernel thinks of them does not matter.
var wordFiles = map[string]string{
	"table": "table inet %[1]s { comment \"c\"; chain c { }; }\n" + commands(
		"add rule inet %[1]s c accept", "create table inet %[1]s { comment \"c\"; }", "add chain inet %[1]s c { policy drop; }",
		"add set inet %[1]s s { type ipv4_addr; }", "add element inet %[1]s s { 192.0.2.1 }", "delete element inet %[1]s s { 192.0.2.1 }",
		"add flowtable inet %[1]s f { hook ingress priority filter; }", "delete flowtable inet %[1]s f", "delete rule inet %[1]s c handle 7",
		"delete chain inet %[1]s c", "delete set inet %[1]s s", "delete table inet %[1]s"),
	"chain": "table inet t { chain c { jump %[1]s; ct state new jump %[1]s; limit rate 1/second goto %[1]s; }; chain %[1]s { }; }\n" + commands(
		"add rule inet t %[1]s accept", "add chain inet t %[1]s", "create chain inet t %[1]s { type filter hook forward priority filter; policy drop; }",
		"add chain inet t %[1]s { policy drop; }", "insert rule inet t %[1]s position 7 accept", "insert rule inet t %[1]s handle 7 accept",
		"add rule inet t %[1]s handle 7 accept", "replace rule inet t %[1]s handle 7 accept", "delete rule inet t %[1]s handle 7",
		"flush chain inet t %[1]s", "delete chain inet t %[1]s"),
	"set": "table inet t { set %[1]s { type ipv4_addr; }; chain c { ip saddr @%[1]s accept; ip daddr != @%[1]s drop; }; }\n" + commands(
		"add element inet t %[1]s { 192.0.2.1 }", "delete element inet t %[1]s { 192.0.2.1 }", "add set inet t %[1]s { type ipv4_addr; flags interval; }",
		"add rule inet t c ip saddr @%[1]s accept", "flush set inet t %[1]s", "delete set inet t %[1]s"),
	"flowtable": "table inet t { flowtable %[1]s { hook ingress priority filter; }; chain c { type filter hook forward priority filter; ct state new flow add @%[1]s; }; }\n" + commands(
		"add flowtable inet t %[1]s { hook ingress priority filter; devices = { \"lo\" }; counter; }", "create flowtable inet t %[1]s { hook ingress priority filter; }",
		"delete flowtable inet t %[1]s { hook ingress priority filter; devices = { \"lo\" }; }", "add rule inet t c flow add @%[1]s accept",
		"delete flowtable inet t %[1]s"),
}

// commands is one a line.
func commands(all ...string) string { return strings.Join(all, "\n") + "\n" }

// newerWords are reserved by an nft later than 1.0.6: an older one takes them as names.
var newerWords = []string{"destroy", "geneve", "gre", "gretap", "tunnel", "vni", "vxlan"}

// halfWord is a reserved word since 1.0.7 that the grammar takes back as a name. We refuse it all the same: the scanner stays in
// the state that the word opens, in which it takes another word for itself ("never").
const halfWord = "last"

// TestAcceptedWordsAgainstNFT asks nft about every word that its scanner knows, and every short one. What CheckName and CheckReference accept nft must be
// able to spell wherever it stands.
func TestAcceptedWordsAgainstNFT(t *testing.T) {
	testns.RequireNamespaces(t)
	ns := testns.NewT(t, "words")
	for place, file := range wordFiles {
		t.Run(place, func(t *testing.T) {
			var all strings.Builder
			for _, word := range append(scannerWords(t), shortWords()...) {
				if checkAt(place)(word) == nil {
					fmt.Fprintf(&all, file, word)
				}
			}
			_, err := ns.Run(t.Context(), all.String(), "nft", "-c", "-f", "-")
			assert.False(t, isSyntaxError(err), "%v", err)
		})
	}
}

// What they refuse nft must really refuse, or, of a few words, a later nft.
func TestRefusedWordsAgainstNFT(t *testing.T) {
	testns.RequireNamespaces(t)
	ns := testns.NewT(t, "words")
	version, err := ns.Run(t.Context(), "", "nft", "--version")
	require.NoError(t, err)
	old := strings.HasPrefix(version, "nftables v1.0.")
	for _, word := range scannerWords(t) {
		place := "table"
		if flowtable.CheckName(word) == nil {
			place = "set"
		}
		if checkAt(place)(word) == nil || word == halfWord || old && slices.Contains(newerWords, word) {
			continue
		}
		_, err := ns.Run(t.Context(), fmt.Sprintf(wordFiles[place], word), "nft", "-c", "-f", "-")
		assert.True(t, isSyntaxError(err), "we refuse %q, nft takes it: %v", word, err)
	}
}

// shortWords are all names of one and two small letters, whatever the scanner may mean by some.
func shortWords() []string {
	var words []string
	for a := 'a'; a <= 'z'; a++ {
		words = append(words, string(a))
		for b := 'a'; b <= 'z'; b++ {
			words = append(words, string([]rune{a, b}))
		}
	}
	return words
}

// checkAt is the check for a name at a place.
func checkAt(place string) func(string) error {
	if place == "set" || place == "flowtable" {
		return flowtable.CheckReference
	}
	return flowtable.CheckName
}

// isSyntaxError tells what nft cannot read from what the kernel refuses: this machine's may have no flowtables.
func isSyntaxError(err error) bool {
	return err != nil && strings.Contains(err.Error(), "syntax error")
}

func scannerWords(t *testing.T) []string {
	text, err := os.ReadFile("testdata/scanner-words.txt")
	require.NoError(t, err)
	var words []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			words = append(words, line)
		}
	}
	require.Greater(t, len(words), 300)
	return words
}
