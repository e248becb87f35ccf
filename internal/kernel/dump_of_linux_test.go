package kernel

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// ours picks the tables of fastpath's own owner.
func ours(t ruleset.LoadedTable) bool { return t.Owner == ruleset.DefaultOwner }

// big is a table with many rules and elements.
func big(name, comment string, n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "table inet %s {\n%s\nset s { type ipv4_addr; elements = { ", name, comment)
	for i := range n {
		fmt.Fprintf(&b, "10.1.%d.%d, ", i>>8&255, i&255)
	}
	b.WriteString("}\n}\nchain c {\n")
	for i := range n {
		fmt.Fprintf(&b, "ip saddr 10.%d.%d.%d counter\n", i>>16&255, i>>8&255, i&255)
	}
	b.WriteString("}\n}\n")
	return b.String()
}

const mine = `comment "managed by fastpath"`

// commitsBeside commits to a table of its own at a rate, until the test ends.
func commitsBeside(t *testing.T, ns *testns.Namespace, each time.Duration) {
	t.Helper()
	k, err := Open(ns.Path())
	require.NoError(t, err)
	batches := []*ruleset.Batch{batchOf(t, &ruleset.Spec{Owner: "busy", Tables: []ruleset.Table{{Name: "busy"}}})}
	resolved, err := (&ruleset.Spec{Owner: "busy"}).Resolve(nil)
	require.NoError(t, err)
	stop := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(each)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			if n%2 == 0 {
				_, err := k.Commit(context.Background(), batches[0])
				assert.NoError(t, err)
				continue
			}
			have, err := ruleset.Load("busy", k.DumpOf(context.Background(), ours))
			assert.NoError(t, err)
			plan, err := ruleset.Diff(have, resolved)
			assert.NoError(t, err)
			b, err := plan.Batch(nil)
			assert.NoError(t, err)
			_, err = k.Commit(context.Background(), b)
			assert.NoError(t, err)
		}
	})
	t.Cleanup(func() {
		close(stop)
		running.Wait()
		assert.NoError(t, k.Close())
	})
}

// DumpOf leaves out what is in others' tables, and nothing else.
func TestDumpOfPart(t *testing.T) {
	outer, k := openT(t)
	require.NoError(t, outer.NFT(testContext(t), big("a", mine, 20)+big("b", "", 30)))
	whole := load(t, k)
	part, err := ruleset.Load("", k.DumpOf(testContext(t), ours))
	require.NoError(t, err)
	assert.Equal(t, whole.Generation(), part.Generation())
	assert.Equal(t, whole.Tables(), part.Tables())
	assert.Equal(t, 20, len(part.Rules()))
	sets := part.Sets()
	require.Len(t, sets, 1)
	assert.Equal(t, 20, sets[0].Len())
	all, err := ruleset.Load("", k.DumpOf(testContext(t), func(ruleset.LoadedTable) bool { return true }))
	require.NoError(t, err)
	assert.Equal(t, 50, len(all.Rules()))
	assert.False(t, all.Torn())
}

// A reading that takes longer than others pause between two commits ends, and is whole.
func TestDumpOfBesideWriter(t *testing.T) {
	outer, k := openT(t)
	require.NoError(t, outer.NFT(testContext(t), big("a", mine, 10000)+big("b", "", 10000)))
	commitsBeside(t, outer, 5*time.Millisecond)
	for range 5 {
		start := time.Now()
		l, err := ruleset.Load("", k.DumpOf(testContext(t), ours))
		require.NoError(t, err)
		assert.False(t, l.Torn())
		assert.Equal(t, 10000, len(l.Rules()))
		assert.Equal(t, 10000, l.Sets()[0].Len())
		t.Log(time.Since(start))
	}
}

// Commits that touch what is read are seen: both parts of one come, or none.
func TestDumpOfTouched(t *testing.T) {
	outer, k := openT(t)
	require.NoError(t, outer.NFT(testContext(t), big("a", mine, 2000)))
	done := make(chan error, 1)
	go func() {
		for n := range 40 {
			err := outer.NFT(testContext(t), fmt.Sprintf("add rule inet a c ip daddr 192.0.2.%d accept\nadd element inet a s { 10.2.0.%d }\n", n, n))
			if err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for ended := false; !ended; {
		select {
		case err := <-done:
			require.NoError(t, err)
			ended = true
		default:
		}
		l, err := ruleset.Load("", k.DumpOf(testContext(t), ours))
		require.NoError(t, err)
		assert.Equal(t, len(l.Rules()), l.Sets()[0].Len())
	}
}

func TestChangedSince(t *testing.T) {
	outer, k := openT(t)
	ctx := testContext(t)
	require.NoError(t, outer.NFT(ctx, big("a", mine, 3)+big("b", "", 3)))
	first, changes, known, err := k.ChangedSince(ctx, 1)
	require.NoError(t, err)
	assert.False(t, known, "it was before the first question")
	assert.Empty(t, changes)
	for _, step := range []struct {
		nft  string
		want []TableChange
	}{
		{"add element inet b s { 192.0.2.1 }", []TableChange{{ruleset.Inet, "b", Elements, []string{"s"}}}},
		{"add rule inet a c accept", []TableChange{{ruleset.Inet, "a", Rules, nil}}},
		{"add table netdev n", []TableChange{{"netdev", "n", Shape, nil}}},
		{"delete table netdev n", []TableChange{{"netdev", "n", Shape, nil}}},
		{"add chain ip6 nat c", nil},
	} {
		before, _, _, err := k.ChangedSince(ctx, first)
		require.NoError(t, err)
		if step.want == nil {
			require.Error(t, outer.NFT(ctx, step.nft))
		} else {
			require.NoError(t, outer.NFT(ctx, step.nft))
		}
		_, changes, known, err = k.ChangedSince(ctx, before)
		require.NoError(t, err)
		assert.True(t, known)
		assert.Equal(t, step.want, changes, step.nft)
	}
	_, changes, known, err = k.ChangedSince(ctx, first)
	require.NoError(t, err)
	assert.True(t, known)
	assert.Len(t, changes, 3, "all of them together")
}

// A commit that overruns the subscription is not known, and the next ones are.
func TestChangedSinceLost(t *testing.T) {
	outer, k := openT(t)
	ctx := testContext(t)
	k.journal.buffer = 4 << 10
	first, _, _, err := k.ChangedSince(ctx, 0)
	require.NoError(t, err)
	for i := range 2 {
		require.NoError(t, outer.NFT(ctx, big(fmt.Sprint("t", i), "", 100)))
	}
	now, _, known, err := k.ChangedSince(ctx, first)
	require.NoError(t, err)
	assert.False(t, known)
	require.NoError(t, outer.NFT(ctx, "add rule inet t1 c accept"))
	_, changes, known, err := k.ChangedSince(ctx, now)
	require.NoError(t, err)
	assert.True(t, known)
	assert.Equal(t, []TableChange{{ruleset.Inet, "t1", Rules, nil}}, changes)
}
