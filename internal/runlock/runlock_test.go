package runlock

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for _, owner := range []string{"", "a", "A", "a ", "ä", Table("a"), strings.Repeat("long", 60), strings.Repeat("long", 61)} {
		for _, name := range []string{Table(owner), Request(owner)} {
			assert.False(t, seen[name], "%q", owner)
			seen[name] = true
			assert.True(t, Is(name, FlagOwner, 0))
			assert.False(t, Is(name, 0, 0), "no socket holds it")
			assert.False(t, Is(name, FlagOwner, 1), "it holds something")
			assert.False(t, Is("x"+name, FlagOwner, 0))
		}
	}
}

// What stands in a comment can be spelled by nft, whatever the owner, and is read back whoever wrote it.
func TestComment(t *testing.T) {
	for _, owner := range []string{"", "a", "quo\"ted\\", "\x1b[2J\n", strings.Repeat("ö", 100), "x, process 7, since then"} {
		c := Comment(owner, 4321, "2026-11-28T12:00:00Z")
		assert.Less(t, len(c), 120)
		assert.NotContains(t, c, `"`)
		for _, r := range c {
			assert.True(t, r >= ' ' && r <= '~', "%q", c)
		}
		assert.Equal(t, 4321, processOf(c))
	}
	for _, c := range []string{"", "fastpath run of x", ", process ", ", process -1", ", process x", ", process 4194305", ", process 4294967297", ", process 99999999999999999999"} {
		assert.Zero(t, processOf(c), c)
	}
}

func TestReadClaim(t *testing.T) {
	table := func(write func(*nlmsg.Builder)) nlmsg.Message {
		b := nlmsg.NewBuilder(nlmsg.Native(), nil)
		b.BeginNetfilter(nlmsg.NFTablesType(nlmsg.NFTMsgNewTable), 0, 0, nlmsg.FamilyInet, 0)
		write(b)
		b.End()
		return nlmsg.Message{Data: b.Bytes()[16:]}
	}
	c, err := Read(table(func(b *nlmsg.Builder) {
		b.Uint32BE(nlmsg.NFTATableOwner, 0xe47c2bd6)
		b.Data(nlmsg.NFTATableUserdata, append([]byte{9, 1, 0, nlmsg.UdataTableComment, 12}, ", process 9\x00"...))
	}))
	require.NoError(t, err)
	assert.Equal(t, Claim{true, 0xe47c2bd6, 9}, c)
	c, err = Read(table(func(b *nlmsg.Builder) { b.Data(nlmsg.NFTATableUserdata, []byte{0, 200, 'x'}) }))
	require.NoError(t, err)
	assert.Equal(t, Claim{}, c)
	_, err = Read(table(func(b *nlmsg.Builder) { b.Data(nlmsg.NFTATableOwner, []byte{1}) }))
	assert.Error(t, err)
	_, err = Read(nlmsg.Message{})
	assert.Error(t, err)
}

// A dump shows whose lock it is, if the name stands in the comment in full; what somebody else wrote there is nobody's.
func TestShow(t *testing.T) {
	table := func(name, comment string, flags uint32) []byte {
		b := nlmsg.NewBuilder(nlmsg.Native(), nil)
		b.BeginNetfilter(nlmsg.NFTablesType(nlmsg.NFTMsgNewTable), 0, 0, nlmsg.FamilyInet, 0)
		b.String(nlmsg.NFTATableName, name)
		b.Uint32BE(nlmsg.NFTATableFlags, flags)
		b.Data(nlmsg.NFTATableUserdata, append(append([]byte{nlmsg.UdataTableComment, byte(len(comment) + 1)}, comment...), 0))
		b.End()
		return b.Bytes()[16:]
	}
	const at = "2026-11-28T12:00:00Z"
	long := strings.Repeat("o", 60)
	for _, test := range []struct {
		owner, comment string
		want           Shown
	}{
		{"router", Comment("router", 7, at), Shown{Owner: "router", Process: 7, Since: at}},
		{"a, process 9, since b", Comment("a, process 9, since b", 7, at), Shown{Owner: "a, process 9, since b", Process: 7, Since: at}},
		{long, Comment(long, 7, at), Shown{Process: 7, Since: at}},
		{"router", Comment("other", 7, "then"), Shown{Process: 7, Since: "then"}},
		{"router", "", Shown{}},
	} {
		test.want.Table = Table(test.owner)
		got, ok := Show(table(test.want.Table, test.comment, FlagOwner))
		require.True(t, ok)
		assert.Equal(t, test.want, got)
		assert.True(t, got.IsOf(test.owner))
	}
	for _, other := range [][]byte{table(Table("x"), "", 0), table(Request("x"), "", FlagOwner), table("x", "", FlagOwner), table("fastpath_run_\x1b[2J", "", FlagOwner), nil, {2, 0, 0, 0}} {
		_, ok := Show(other)
		assert.False(t, ok)
	}
}
