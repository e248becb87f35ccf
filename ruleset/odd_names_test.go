package ruleset

import (
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/nftvalue"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// nf_tables takes every byte but NUL in names. What is said of others' objects is for terminals, in findings and in plans.
func TestOddNamesOfOthersAreQuoted(t *testing.T) {
	const odd = "o\x1b[2J\u009bdd\n"
	var k kernelState
	k.generation(7)
	k.table(nlmsg.FamilyInet, odd, "")
	k.table(nlmsg.FamilyInet, "a", "managed by fastpath")
	k.add(nlmsg.NFTMsgNewChain, nlmsg.FamilyInet, func(b *nlmsg.Builder) {
		b.String(nlmsg.NFTAChainTable, "a")
		b.String(nlmsg.NFTAChainName, odd)
	})
	k.add(nlmsg.NFTMsgNewFlowtable, nlmsg.FamilyInet, func(b *nlmsg.Builder) {
		b.String(nlmsg.NFTAFlowtableTable, odd)
		b.String(nlmsg.NFTAFlowtableName, odd)
		hook := b.Nest(nlmsg.NFTAFlowtableHook)
		devices := b.Nest(nlmsg.NFTAFlowtableHookDevs)
		b.String(nlmsg.NFTADeviceName, "eth0")
		b.EndNest(devices)
		b.EndNest(hook)
	})
	have, want := k.load(t, ""), resolved(t, smallSpec())
	findings := want.Conflicts(have)
	require.NotEmpty(t, findings)
	said := []string{findings[0].Text, findings[0].Path}
	p, err := Diff(have, want)
	require.NoError(t, err)
	for _, op := range p.Operations() {
		if op.Verb == VerbDelete {
			said = append(said, op.String())
		}
	}
	require.Len(t, said, 3)
	for _, text := range said {
		assert.Contains(t, text, `"o\x1b[2J\u009bdd\n"`)
		assert.False(t, strings.ContainsFunc(text, unicode.IsControl), "%q", text)
	}
}

// Nor do names of what bears our mark, which anybody may put there, speak to a terminal, or an element of a set of ours.
func TestOddNamesOfOursAreQuoted(t *testing.T) {
	const odd = "\x1b[2J"
	have := &Loaded{
		tables: []LoadedTable{{Family: Inet, Name: odd, Owner: DefaultOwner, Flags: tableOwned | tableDormant, Use: 9}},
		rules:  []LoadedRule{{Family: Inet, Table: odd, Chain: odd, Ours: true}, {Family: Inet, Table: odd, Chain: odd}},
	}
	have.index()
	findings := resolved(t, smallSpec()).Conflicts(have)
	assert.Len(t, findings, 4)
	for _, f := range findings {
		assert.Contains(t, f.Text, `"\x1b[2J"`)
		assert.False(t, strings.ContainsFunc(f.Path+f.String(), unicode.IsControl), "%q", f)
	}
	assert.Equal(t, `"\x1b[2J"`, nftvalue.Quote(odd))
	assert.Equal(t, `"a\"b"`, nftvalue.Quote(`a"b`))
	assert.Equal(t, `"küche"`, nftvalue.Quote("küche"))
}
