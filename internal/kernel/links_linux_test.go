package kernel

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlsock"
	"github.com/go-fastpath/fastpath/internal/testns"
)

func TestTargetReadsLinks(t *testing.T) {
	outer, k := openT(t)
	require.NoError(t, outer.IP(testContext(t),
		"link add v0 address 02:00:00:00:00:0a type veth peer name v1 address 02:00:00:00:00:0b mtu 1400", "link set v0 group 5", "link set v0 up",
		"link add br0 type bridge", "link set v0 master br0"))
	target, err := k.Target(testContext(t))
	require.NoError(t, err)
	assert.NotEmpty(t, target.Kernel.Release)
	links := map[string]flowtable.Link{}
	for i, l := range target.Links {
		if i > 0 {
			assert.Less(t, target.Links[i-1].Index, l.Index, "sorted by index")
		}
		links[l.Name] = l
	}
	require.GreaterOrEqual(t, len(links), 4, "some kernels add tunl0 and others to every namespace")
	assert.Equal(t, 1, links["lo"].Index)
	assert.True(t, links["lo"].Up)
	assert.Equal(t, "bridge", links["br0"].Kind)
	assert.Contains(t, []string{"UNKNOWN", "LOWERLAYERDOWN"}, links["v0"].State, "the kernel looks at the peer a little later")
	assert.Equal(t, flowtable.Link{Index: links["v0"].Index, Name: "v0", Kind: "veth", Master: links["br0"].Index, Up: true, Group: 5,
		State: links["v0"].State, MTU: 1500, Address: "02:00:00:00:00:0a", TCOffload: links["lo"].TCOffload}, links["v0"])
	assert.Equal(t, flowtable.Link{Index: links["v1"].Index, Name: "v1", Kind: "veth", State: "DOWN", MTU: 1400,
		Address: "02:00:00:00:00:0b", TCOffload: links["lo"].TCOffload}, links["v1"], "a peer is not a device below")
	assert.Equal(t, "off [fixed]", links["lo"].TCOffload)
	assert.Empty(t, target.DefaultRoutes)
	assert.NoError(t, target.Validate())
}

// VLAN devices name the one below, their numbers and protocols; this needs a kernel with VLANs.
func TestKernelLinksOfVLAN(t *testing.T) {
	outer, k := openT(t)
	err := outer.IP(testContext(t), "link add d0 type dummy", "link add link d0 name d0.5 type vlan id 5 protocol 802.1ad",
		"link add link d0.5 name d0.5.6 type vlan id 4094")
	if err != nil && os.Getenv("FASTPATH_VM") == "" {
		t.Skipf("needs a kernel with VLAN and dummy devices: %v", err)
	}
	require.NoError(t, err)
	target, err := k.Target(testContext(t))
	require.NoError(t, err)
	n := len(target.Links) // some kernels add tunl0 and others to every namespace
	require.GreaterOrEqual(t, n, 4)
	lower, outerTag, innerTag := target.Links[n-3], target.Links[n-2], target.Links[n-1]
	assert.Equal(t, "dummy", lower.Kind)
	assert.Zero(t, lower.VLAN)
	assert.Equal(t, flowtable.VLAN{ID: 5, Protocol: "802.1ad"}, outerTag.VLAN)
	assert.Equal(t, lower.Index, outerTag.Parent)
	assert.Equal(t, flowtable.VLAN{ID: 4094, Protocol: "802.1Q"}, innerTag.VLAN)
	assert.Equal(t, outerTag.Index, innerTag.Parent)
	assert.Equal(t, "vlan", innerTag.Kind)
}

func TestRetry(t *testing.T) {
	tries := 0
	require.NoError(t, retry(context.Background(), func() error {
		if tries++; tries < 4 {
			return nlsock.ErrInterrupted
		}
		return nil
	}))
	assert.Equal(t, 4, tries)

	tries = 0
	err := retry(context.Background(), func() error { tries++; return errChanged })
	require.ErrorIs(t, err, errChanged)
	assert.Equal(t, maxTries, tries)

	tries = 0
	require.ErrorIs(t, retry(context.Background(), func() error { tries++; return unix.EPERM }), unix.EPERM)
	assert.Equal(t, 1, tries)

	ctx, cancel := context.WithCancel(context.Background())
	err = retry(ctx, func() error { cancel(); return errChanged })
	require.ErrorIs(t, err, context.Canceled)
}

// BenchmarkTarget reads 300 devices.
func BenchmarkTarget(b *testing.B) {
	outer, err := testns.New("links")
	require.NoError(b, err)
	defer outer.Close()
	var lines []string
	for i := range 150 {
		lines = append(lines, fmt.Sprintf("link add a%d type veth peer name b%d", i, i))
	}
	require.NoError(b, outer.IP(b.Context(), lines...))
	k, err := Open(outer.Path())
	require.NoError(b, err)
	defer k.Close()
	for b.Loop() {
		target, err := k.Target(b.Context())
		require.NoError(b, err)
		require.GreaterOrEqual(b, len(target.Links), 301)
	}
}
