package ruleset

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestIntervals holds interval sets to the starts and ends that nft writes (nft --debug=netlink -f): "e" is an end, "o" an
// element that is open to the greatest value.
func TestIntervals(t *testing.T) {
	for _, c := range []struct {
		kind SetType
		list []string
		want string
	}{
		{InetService, []string{"22"}, "0000e 0016 0017e"},
		{InetService, []string{"100-65535", "22"}, "0000e 0016 0017e 0064o"},
		{InetService, []string{"0-5", "6-8"}, "0000 0006e 0006 0009e"},
		{InetService, []string{"0-65535"}, "0000o"},
		{InetService, []string{"65535"}, "0000e ffffo"},
		{IPv4Addr, []string{"10.0.0.0/8", "192.0.2.1", "255.255.255.255"}, "00000000e 0a000000 0b000000e c0000201 c0000202e ffffffffo"},
		{IPv4Addr, []string{"0.0.0.0/1"}, "00000000 80000000e"},
		{IPv4Addr, []string{"0.0.0.0/0"}, "00000000o"},
		{IPv6Addr, []string{"2001:db8::/32"}, strings.Repeat("0", 32) + "e 20010db8" + strings.Repeat("0", 24) + " 20010db9" + strings.Repeat("0", 24) + "e"},
		{IfName, []string{"wan", "ppp*"}, strings.Repeat("0", 32) + "e 707070" + strings.Repeat("0", 26) + " 707071" + strings.Repeat("0", 26) + "e 77616e" + strings.Repeat("0", 26) + " 77616e" + strings.Repeat("0", 25) + "1e"},
	} {
		b := batchOf(t, &Spec{Tables: []Table{{Name: "t", Sets: []Set{{Name: "s", Type: c.kind, Interval: true, Elements: c.list}}}}}, binary.LittleEndian)
		assert.Equal(t, c.want, elementsOf(t, b), "%v", c.list)
	}
}

// TestListsAreJoined: ranges of a list in a rule are joined where they touch, as nft does; the set says how many elements it has.
func TestListsAreJoined(t *testing.T) {
	for _, c := range []struct {
		do   Statement
		want string
	}{
		{WordField(TCPDport).Is("6-8", "1-5", "80"), "0000e 0001 0009e 0050 0051e"},
		{IPSaddr.Is("10.0.0.128/25", "10.0.0.0/25", "192.0.2.1"), "00000000e 0a000000 0a000100e c0000201 c0000202e"},
		{TCPDport.Is(443, 80), "0050 01bb"},
		{WordField(TCPDport).Is("53", "1024-65535"), "0000e 0035 0036e 0400o"},
		{WordField(DSCP).Is("10-20", "46"), "00e 28 51e b8 b9e"},
		{WordField(DSCP6).Is("10-20", "46"), "0000e 0280 0501e 0b80 0b81e"},
		{WordField(DSCP).Is("0-2", "60-63"), "00 09e f0 fde"},
	} {
		b := batchOf(t, &Spec{Tables: []Table{{Name: "t", Chains: []Chain{{Name: "c", Rules: []Rule{R(c.do)}}}}}}, binary.LittleEndian)
		got := elementsOf(t, b)
		assert.Equal(t, c.want, got)
		var text strings.Builder
		require.NoError(t, b.WriteText(&text))
		announced := len(strings.Fields(got)) + strings.Count(got, "o") // nft counts the end that an open range lacks
		assert.Contains(t, text.String(), fmt.Sprintf("NFTA_SET_DESC_SIZE %d\n", announced))
	}
}

// elementsOf lists the elements of a batch: key, "e" for an interval's end, "o" for an open one.
func elementsOf(t *testing.T, b *Batch) string {
	t.Helper()
	var text strings.Builder
	require.NoError(t, b.WriteText(&text))
	var words []string
	end, inElements := "", false
	for line := range strings.Lines(text.String()) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") {
			inElements = strings.Contains(line, "SETELEM")
		}
		key, isKey := strings.CutPrefix(line, "NFTA_DATA_VALUE ")
		switch {
		case !inElements:
		case line == "NFTA_SET_ELEM_FLAGS 0x1":
			end = "e"
		case strings.HasPrefix(line, "NFTA_SET_ELEM_USERDATA"):
			assert.Equal(t, "NFTA_SET_ELEM_USERDATA 010401000000", line)
			words[len(words)-1] += "o"
		case isKey:
			key, _, _ = strings.Cut(key, " ")
			words = append(words, key+end)
			end = ""
		}
	}
	return strings.Join(words, " ")
}
