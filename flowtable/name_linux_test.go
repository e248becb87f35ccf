package flowtable

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// wordFiles are the places where a name stands, one nft file each: %s is the name.
var wordFiles = map[string]string{
	"table":     "table inet %[1]s { chain c { }; }\nadd rule inet %[1]s c accept\ndelete table inet %[1]s\n",
	"chain":     "table inet t { chain c { jump %[1]s; ct state new jump %[1]s; limit rate 1/second goto %[1]s; }; chain %[1]s { }; }\nadd rule inet t %[1]s accept\n",
	"set":       "table inet t { set %[1]s { type ipv4_addr; }; chain c { ip saddr @%[1]s accept; ip daddr != @%[1]s drop; }; }\nadd element inet t %[1]s { 192.0.2.1 }\n",
	"flowtable": "table inet t { flowtable %[1]s { hook ingress priority filter; }; chain c { type filter hook forward priority filter; ct state new flow add @%[1]s; }; }\n",
}

// newerWords are reserved by an nft later than 1.0.6: an older one takes them as names.
var newerWords = []string{"destroy", "geneve", "gre", "gretap", "last", "tunnel", "vni", "vxlan"}

// TestAcceptedWordsAgainstNFT asks nft about every word that its scanner knows. What CheckName and CheckReference accept nft must be
// able to spell wherever it stands.
func TestAcceptedWordsAgainstNFT(t *testing.T) {
	testns.RequireNamespaces(t)
	ns := testns.NewT(t, "words")
	for place, file := range wordFiles {
		t.Run(place, func(t *testing.T) {
			var all strings.Builder
			for _, word := range scannerWords(t) {
				if checkAt(place)(word) == nil {
					fmt.Fprintf(&all, file, word)
				}
			}
			_, err := ns.Run(t.Context(), all.String(), "nft", "-c", "-f", "-")
			assert.False(t, isSyntaxError(err), "%v", err)
		})
	}
}

// What they refuse nft must really refuse, or an nft later than 1.0.6.
func TestRefusedWordsAgainstNFT(t *testing.T) {
	testns.RequireNamespaces(t)
	ns := testns.NewT(t, "words")
	for _, word := range scannerWords(t) {
		place := "table"
		if isKeywordAfterAt(word) {
			place = "set"
		}
		if checkAt(place)(word) == nil || slices.Contains(newerWords, word) {
			continue
		}
		_, err := ns.Run(t.Context(), fmt.Sprintf(wordFiles[place], word), "nft", "-c", "-f", "-")
		assert.True(t, isSyntaxError(err), "we refuse %q, nft takes it: %v", word, err)
	}
}

// checkAt is the check for a name at a place.
func checkAt(place string) func(string) error {
	if place == "set" || place == "flowtable" {
		return CheckReference
	}
	return CheckName
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
