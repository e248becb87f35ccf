package nlsock

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// The poller of a quiet socket tells once, of something that somebody waits for, and not again while the reader is at work.
func TestQuietUntilArmed(t *testing.T) {
	_, ns, s := dialT(t, Config{Groups: []uint32{nlmsg.GroupNFTables}, Gather: time.Millisecond})
	told := func() (n int) {
		t.Helper()
		require.NoError(t, s.raw.Control(func(fd uintptr) {
			var err error
			n, err = unix.EpollWait(int(fd), make([]unix.EpollEvent, 1), 0)
			require.NoError(t, err)
		}))
		return n
	}
	commit := func(name string) {
		b := newBatch(nlmsg.SubsysNFTables, 0)
		b.table(name, 0)
		b.commit(t, ns)
	}
	commit("one")
	name, _, err := nextTable(testContext(t), s)
	require.NoError(t, err)
	require.Equal(t, "one", name)
	for _, err := range s.Queued(testContext(t)) {
		require.NoError(t, err)
	}
	commit("two")
	assert.Zero(t, told(), "nobody waits")

	arm := func() {
		require.NoError(t, s.raw.Control(func(fd uintptr) { require.True(t, s.quiet.arm(fd)) }))
	}
	arm()
	assert.Equal(t, 1, told(), "it is there already")
	s.quiet.armed = false
	commit("three")
	assert.Zero(t, told(), "it told")
	arm()
	for _, want := range []string{"two", "three"} {
		name, _, err := nextTable(testContext(t), s)
		require.NoError(t, err)
		require.Equal(t, want, name)
	}
}
