package kernel

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/nlsock"
)

func TestTargetReadsLinks(t *testing.T) {
	outer, k := openT(t)
	require.NoError(t, outer.IP(testContext(t),
		"link add v0 type veth peer name v1", "link set v0 up",
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
	assert.Equal(t, flowtable.Link{Index: links["v0"].Index, Name: "v0", Kind: "veth", Master: links["br0"].Index, Up: true}, links["v0"])
	assert.Equal(t, flowtable.Link{Index: links["v1"].Index, Name: "v1", Kind: "veth"}, links["v1"], "a peer is not a device below")
	assert.NoError(t, target.Validate())
}

// A VLAN device names the one below; this needs a kernel with VLANs.
func TestKernelLinksOfVLAN(t *testing.T) {
	outer, k := openT(t)
	err := outer.IP(testContext(t), "link add d0 type dummy", "link add link d0 name d0.5 type vlan id 5")
	if err != nil && os.Getenv("FASTPATH_VM") == "" {
		t.Skipf("needs a kernel with VLAN and dummy devices: %v", err)
	}
	require.NoError(t, err)
	target, err := k.Target(testContext(t))
	require.NoError(t, err)
	n := len(target.Links) // some kernels add tunl0 and others to every namespace
	require.GreaterOrEqual(t, n, 3)
	lower, vlan := target.Links[n-2], target.Links[n-1]
	assert.Equal(t, flowtable.Link{Index: lower.Index, Name: "d0", Kind: "dummy"}, lower)
	assert.Equal(t, flowtable.Link{Index: vlan.Index, Name: "d0.5", Kind: "vlan", Parent: lower.Index}, vlan)
}

func TestParseLinkMalformed(t *testing.T) {
	o := nlmsg.Native()
	b := nlmsg.NewBuilder(o, nil)
	b.Begin(unix.RTM_NEWLINK, 0, 0)
	b.Raw(make([]byte, linkHeader))
	b.String(unix.IFLA_IFNAME, "eth0")
	b.Data(unix.IFLA_MASTER, o.AppendUint32(nil, 7))
	info := b.Nest(unix.IFLA_LINKINFO)
	b.String(unix.IFLA_INFO_KIND, "vlan")
	b.EndNest(info)
	b.End()
	data := b.Bytes()[16:]
	l, err := parseLink(o, data)
	require.NoError(t, err)
	assert.Equal(t, flowtable.Link{Name: "eth0", Kind: "vlan", Master: 7}, l)
	for n := range data {
		if _, err := parseLink(o, data[:n]); err != nil {
			assert.ErrorIs(t, err, nlmsg.ErrMalformed, "cut at %d", n)
		}
	}
}

// FuzzParseLink holds that no bytes make it panic.
func FuzzParseLink(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 3, 0, 'l', 'o', 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := parseLink(nlmsg.Native(), data); err != nil && !errors.Is(err, nlmsg.ErrMalformed) {
			t.Errorf("%v", err)
		}
	})
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
