package offload_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestDocsOffloadTag: what the Watcher tells of an offloaded flow is what the conntrack tool prints, [OFFLOAD]; it finds the flow by its
// path; and the step there is a change.
func TestDocsOffloadTag(t *testing.T) {
	l := newLab(t, nil)
	eachPair(t, func(t *testing.T, network string, fam testns.Family) {
		l.apply(t, ruleset.Spec{Tables: []ruleset.Table{{Name: "accel", Chains: []ruleset.Chain{{
			Name: "track", Hook: ruleset.Forward, Rules: []ruleset.Rule{ruleset.R(ruleset.CTState.Is(ruleset.Invalid), ruleset.Drop())},
		}}}}})
		f := l.DialT(t, network, fam)
		testns.AssertSlowPath(t, l.Router, f, within)
		assert.Equal(t, conntrack.Slow, l.path(t, f))
		d := l.follow(t, f)

		l.apply(t, accelerate(ruleset.Inet, l.fast()))
		talk(t, f, 3, 100)
		testns.AssertSoftwarePath(t, l.Router, f, within)
		change := d.await(t, "the offload", becomes(conntrack.Software))
		assert.Equal(t, conntrack.Slow, change.From)

		tool, ours := l.tool(t, f), l.entry(t, f)
		assert.Equal(t, testns.TagOffload, tool.Tag)
		assert.Contains(t, ours.String(), " [OFFLOAD] ")
		assert.Equal(t, tool.ID, ours.ID)
		assert.Equal(t, tool.Original.Source, ours.Orig.Src)
		assert.Equal(t, tool.Reply.Destination, ours.Reply.Dst)
		m := matchOf(f)
		m.Paths = []conntrack.Path{conntrack.Software}
		assert.Len(t, l.entries(t, m), 1)
		m.Paths = []conntrack.Path{conntrack.Slow, conntrack.Hardware}
		assert.Empty(t, l.entries(t, m))
	})
}

// entries is all that the Watcher finds.
func (l *lab) entries(t *testing.T, m conntrack.Match) []conntrack.Entry {
	t.Helper()
	var all []conntrack.Entry
	for e, err := range l.watcher.Entries(t.Context(), m) {
		require.NoError(t, err)
		all = append(all, e)
	}
	return all
}
