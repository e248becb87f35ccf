package offload_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// TestDocsRSTThenSYN resets an offloaded connection in the fast path and opens one from the same port at once. Up to 6.13 it goes on in the same entry,
// which is ESTABLISHED still: nobody is told of an end or of a beginning. On 7.2 the old one is destroyed and a new one begins.
func TestDocsRSTThenSYN(t *testing.T) {
	l := endLab(t)
	f := l.dialFast(t, "tcp", testns.IPv4)
	before := l.key(t, f)
	d := l.follow(t, f)
	require.NoError(t, f.Reset())
	again, err := testns.Dial(t.Context(), l.Client, testns.DialConfig{Network: "tcp", To: l.echo(testns.IPv4), SourcePort: f.Tuple().Source.Port()})
	require.NoError(t, err)
	defer again.Close()
	talk(t, again, 3, 100)
	testns.AssertSoftwarePath(t, l.Router, again, within)
	if l.kernel.AtLeast(6, 14) {
		d.await(t, "the beginning", func(c conntrack.Change) bool { return c.Kind == conntrack.New && c.Entry.Key() != before })
		assert.NotEqual(t, before, l.key(t, again))
		return
	}
	assert.Equal(t, before, l.key(t, again))
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.changes[1:] {
		assert.NotContains(t, []conntrack.Kind{conntrack.New, conntrack.Destroyed}, c.Kind, "%v", c)
	}
}
