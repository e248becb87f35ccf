package offload_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestDocsTTL: the fast path takes one off the TTL or hop limit, and leaves packets to the classic path that have none to take.
func TestDocsTTL(t *testing.T) {
	l := newLab(t, nil)
	l.apply(t, accelerate(ruleset.Inet, l.fast()))
	eachFamily(t, func(t *testing.T, fam testns.Family) {
		f := l.dialFast(t, "udp", fam)
		for _, ttl := range []int{64, 2} {
			assert.NoError(t, f.SetTTL(ttl))
			var said testns.Talk
			seen := l.forwarded(t, f, func() { said = talk(t, f, 5, 100) })
			assert.Zero(t, seen, "in the fast path with TTL %d", ttl)
			assert.Equal(t, ttl-1, said.TTL, "TTL at the server")
		}
		before := l.key(t, f)
		assert.NoError(t, f.SetTTL(1))
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		_, err := f.RoundTrip(ctx, 1, 100)
		cancel()
		assert.Error(t, err, "the router must not forward a packet whose TTL is used up")
		assert.Equal(t, before, l.key(t, f))

		assert.NoError(t, f.SetTTL(64))
		testns.AssertSoftwarePath(t, l.Router, f, within)
		assert.Equal(t, before, l.key(t, f))
	})
}
