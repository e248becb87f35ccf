package nlsock

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A filter that the kernel refuses is told from other failures: a socket without it may do.
func TestDialWithRefusedFilter(t *testing.T) {
	_, ns := openT(t)
	_, err := ns.Dial(unix.NETLINK_NETFILTER, Config{Filter: []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_IMM}}})
	require.ErrorIs(t, err, ErrFilter)
	require.ErrorIs(t, err, unix.EINVAL)
	require.ErrorContains(t, err, "1 instructions")
}
