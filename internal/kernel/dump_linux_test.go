package kernel

import (
	"context"
	"fmt"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/ruleset"
)

// kinds counts the messages of a dump by kind.
func kinds(t *testing.T, k *Kernel) map[uint16]int {
	t.Helper()
	n := map[uint16]int{}
	first := true
	for m, err := range k.Dump(testContext(t)) {
		require.NoError(t, err)
		require.Equal(t, first, m.Type == nlmsg.NFTablesType(nlmsg.NFTMsgNewGen), "NEWGEN comes first, once")
		first = false
		n[m.Type&0xff]++
	}
	return n
}

func TestDumpOfEmptyNamespace(t *testing.T) {
	_, k := openT(t)
	assert.Equal(t, map[uint16]int{nlmsg.NFTMsgNewGen: 1}, kinds(t, k))
}

func TestDumpOfEverything(t *testing.T) {
	outer, k := openT(t)
	require.NoError(t, outer.NFT(testContext(t), `
table ip a {
	comment "managed by fastpath"
	set s { type ipv4_addr; elements = { 192.0.2.1, 192.0.2.2 } }
	chain c {
		type filter hook input priority 0
		tcp dport { 22, 80 } accept
		counter
	}
}
table ip6 b { chain c { }; }
table netdev n { }
table bridge br { }
`))
	got := kinds(t, k)
	assert.Equal(t, 4, got[nlmsg.NFTMsgNewTable])
	assert.Equal(t, 2, got[nlmsg.NFTMsgNewChain])
	assert.Equal(t, 2, got[nlmsg.NFTMsgNewSet], "the anonymous set too")
	assert.GreaterOrEqual(t, got[nlmsg.NFTMsgNewSetElem], 2, "one message a set at least")
	assert.Equal(t, 2, got[nlmsg.NFTMsgNewRule])
	l := load(t, k)
	assert.Len(t, l.Tables(), 4)
	assert.False(t, l.Torn())
	assert.NotZero(t, l.Generation())
}

// The elements of others' sets are not read, whatever their number.
func TestDumpLeavesElementsOfOthers(t *testing.T) {
	outer, k := openT(t)
	const set = " { set s { type ipv4_addr; elements = { 192.0.2.1 } }; }\n"
	require.NoError(t, outer.NFT(testContext(t), "table ip a"+set+"table inet a"+set+
		`table ip6 a { comment "managed by somebody"; set s { type ipv4_addr; elements = { 192.0.2.2 } }; }`))
	read := 0
	for m, err := range k.Dump(testContext(t)) {
		require.NoError(t, err)
		if m.Type == nlmsg.NFTablesType(nlmsg.NFTMsgNewSetElem) {
			family, _, _, err := nlmsg.Netfilter(m.Data)
			require.NoError(t, err)
			assert.EqualValues(t, nlmsg.FamilyIPv6, family, "the marked table's")
			read++
		}
	}
	assert.Positive(t, read)
}

func TestDumpBrokenOff(t *testing.T) {
	_, k := openT(t)
	for _, err := range k.Dump(testContext(t)) {
		require.NoError(t, err)
		break
	}
	assert.NotZero(t, load(t, k).Generation())
}

func TestDumpEndsWithContext(t *testing.T) {
	_, k := openT(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	pairs := 0
	for _, err := range k.Dump(ctx) {
		require.ErrorIs(t, err, context.Canceled)
		pairs++
	}
	assert.Equal(t, 1, pairs)
}

// While another writer commits without pause, what comes out belongs together.
func TestDumpWhileOthersCommit(t *testing.T) {
	outer, k := openT(t)
	ctx, cancel := context.WithCancel(testContext(t))
	done := make(chan error, 1)
	go func() {
		for i := 0; ctx.Err() == nil; i++ {
			// Both tables come and go together.
			if err := outer.NFT(testContext(t), fmt.Sprintf("table ip a%d { chain c { }; }\ntable ip b%d { chain c { }; }\n", i, i)); err != nil {
				done <- err
				return
			}
			if err := outer.NFT(testContext(t), fmt.Sprintf("delete table ip a%d\ndelete table ip b%d\n", i, i)); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for range 50 {
		n := map[uint16]int{}
		for m, err := range k.Dump(testContext(t)) {
			if !assert.NoError(t, err) {
				break
			}
			n[m.Type&0xff]++
		}
		assert.Zero(t, n[nlmsg.NFTMsgNewTable]%2)
		assert.Equal(t, n[nlmsg.NFTMsgNewTable], n[nlmsg.NFTMsgNewChain])
	}
	cancel()
	require.NoError(t, <-done)
}

func TestCommitAndCheck(t *testing.T) {
	outer, k := openT(t)
	batch := batchOf(t, &ruleset.Spec{Tables: []ruleset.Table{{Name: "fw", Chains: []ruleset.Chain{{Name: "c"}}}}})
	before := load(t, k).Generation()
	require.NoError(t, k.Check(testContext(t), batch))
	assert.Equal(t, before, load(t, k).Generation(), "a check is not a commit")
	text, err := outer.Ruleset(testContext(t))
	require.NoError(t, err)
	assert.Empty(t, text)

	_, err = k.Commit(testContext(t), batch)
	require.NoError(t, err)
	l := load(t, k)
	assert.Equal(t, before+1, l.Generation())
	require.Len(t, l.Tables(), 1)
	assert.Equal(t, "fw", l.Tables()[0].Name)
	assert.Equal(t, ruleset.DefaultOwner, l.Tables()[0].Owner)

	_, err = k.Commit(testContext(t), batch)
	var refused *ruleset.CommitError
	require.ErrorAs(t, err, &refused)
	assert.False(t, refused.Unknown)
	require.ErrorIs(t, err, fs.ErrExist)
	op, ok := batch.Operation(refused.Refusals[0].Message)
	require.True(t, ok)
	assert.Equal(t, ruleset.KindTable, op.Kind)
}

func TestProbeLeavesNoTrace(t *testing.T) {
	_, k := openT(t)
	before := load(t, k).Generation()
	first, err := k.Manners(testContext(t))
	require.NoError(t, err)
	again, err := k.Manners(testContext(t))
	require.NoError(t, err)
	assert.Equal(t, first, again)
	l := load(t, k)
	assert.Equal(t, before, l.Generation())
	assert.Empty(t, l.Tables())
	assert.True(t, first.Flowtables.Known)
}

func TestSysctl(t *testing.T) {
	outer, k := openT(t)
	require.NoError(t, outer.SetSysctl("net.ipv4.ip_forward", "1"))
	value, err := k.Sysctl(testContext(t), "net.ipv4.ip_forward")
	require.NoError(t, err)
	assert.Equal(t, "1", value)
	require.NoError(t, outer.SetSysctl("net.ipv4.ip_forward", "0"))
	value, err = k.Sysctl(testContext(t), "net.ipv4.ip_forward")
	require.NoError(t, err)
	assert.Equal(t, "0", value)
	_, err = k.Sysctl(testContext(t), "net.ipv4.no_such")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestOpenOfMissingNamespace(t *testing.T) {
	_, err := Open("no-such-namespace")
	require.ErrorIs(t, err, fs.ErrNotExist)
	assert.ErrorContains(t, err, "no-such-namespace")
}
