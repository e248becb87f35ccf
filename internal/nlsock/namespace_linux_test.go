package nlsock

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// inode names the network namespace of the calling thread.
func inode() (string, error) { return os.Readlink("/proc/thread-self/ns/net") }

func TestOpenNamespace(t *testing.T) {
	testns.CheckLeaks(t)
	outer := testns.NewNamedT(t, "nlsock")
	var want string
	require.NoError(t, outer.Do(func() (err error) { want, err = inode(); return err }))
	for _, netns := range []string{outer.Name(), "/run/netns/" + outer.Name(), outer.Path()} {
		ns, err := OpenNamespace(netns)
		require.NoError(t, err)
		assert.Equal(t, netns, ns.String())
		var got string
		assert.NoError(t, ns.Do(func() (err error) { got, err = inode(); return err }))
		assert.Equal(t, want, got, netns)
		assert.NoError(t, ns.Close())
	}
}

func TestOpenNamespaceOfTheCaller(t *testing.T) {
	testns.CheckLeaks(t)
	outer := testns.NewT(t, "caller")
	var ns *Namespace
	require.NoError(t, outer.Do(func() (err error) { ns, err = OpenNamespace(""); return err }))
	defer ns.Close()
	var want, got string
	require.NoError(t, outer.Do(func() (err error) { want, err = inode(); return err }))
	require.NoError(t, ns.Do(func() (err error) { got, err = inode(); return err }))
	assert.Equal(t, want, got)
}

func TestOpenNamespaceThatIsNone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "plain")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for netns, want := range map[string]error{
		"no-such-namespace":   fs.ErrNotExist,
		"/run/netns/no-such":  fs.ErrNotExist,
		"/proc/self/fd/99999": fs.ErrNotExist,
		file:                  os.ErrInvalid,
		"/proc/self/ns/mnt":   os.ErrInvalid,
		"/":                   os.ErrInvalid,
		"..":                  os.ErrInvalid, // a name, not a path
	} {
		ns, err := OpenNamespace(netns)
		assert.ErrorIs(t, err, want, netns)
		assert.Nil(t, ns)
		assert.ErrorContains(t, err, netns)
		assert.Equal(t, want == fs.ErrNotExist, strings.Contains(err.Error(), "ip netns list"), "%v", err)
	}
}

// The work of Do happens inside; the threads it used are gone afterwards, also under load.
func TestDoLeavesNoThreadInside(t *testing.T) {
	outer, ns := openT(t)
	home, err := inode()
	require.NoError(t, err)
	var want string
	require.NoError(t, outer.Do(func() (err error) { want, err = inode(); return err }))
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			var got string
			assert.NoError(t, ns.Do(func() (err error) { got, err = inode(); return err }))
			assert.Equal(t, want, got)
			here, err := inode()
			assert.NoError(t, err)
			assert.Equal(t, home, here, "the caller's thread moved")
		})
	}
	group.Wait()
	main, err := os.Readlink("/proc/self/ns/net")
	require.NoError(t, err)
	assert.Equal(t, home, main, "the main thread moved")
}

func TestDoReturnsErrors(t *testing.T) {
	_, ns := openT(t)
	mine := errors.New("mine")
	require.ErrorIs(t, ns.Do(func() error { return mine }), mine)
	require.Error(t, ns.Do(func() error { runtime.Goexit(); return nil }))
}

// Inside the namespace already, Do stays on the caller's thread: that needs no privilege.
func TestDoFromInside(t *testing.T) {
	outer, ns := openT(t)
	require.NoError(t, outer.Do(func() error {
		thread := unix.Gettid()
		return ns.Do(func() error {
			if unix.Gettid() != thread {
				return errors.New("Do changed the thread")
			}
			return nil
		})
	}))
}

func TestNamespaceAfterClose(t *testing.T) {
	outer := testns.NewT(t, "closed")
	ns, err := OpenNamespace(outer.Path())
	require.NoError(t, err)
	require.NoError(t, ns.Close())
	assert.ErrorIs(t, ns.Do(func() error { return nil }), os.ErrClosed)
	_, err = ns.Dial(unix.NETLINK_NETFILTER, Config{})
	assert.ErrorIs(t, err, os.ErrClosed)
}

// What is under way when a namespace is closed is done inside it, or fails as closed. For the race detector.
func TestNamespaceClosedMeanwhile(t *testing.T) {
	testns.CheckLeaks(t)
	outer := testns.NewT(t, "meanwhile")
	ns, err := OpenNamespace(outer.Path())
	require.NoError(t, err)
	var want string
	require.NoError(t, outer.Do(func() (err error) { want, err = inode(); return err }))
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for err := error(nil); err == nil; {
				err = ns.Do(func() error {
					got, err := inode()
					assert.Equal(t, want, got)
					return err
				})
				if err != nil {
					assert.ErrorIs(t, err, os.ErrClosed)
				}
			}
		})
	}
	require.NoError(t, ns.Close())
	group.Wait()
}

// A socket stays in its namespace when the namespace's name and descriptors are gone.
func TestSocketOutlivesNamespace(t *testing.T) {
	testns.CheckLeaks(t)
	outer := testns.NewNamedT(t, "outlive")
	ns, err := OpenNamespace(outer.Name())
	require.NoError(t, err)
	b := newBatch(nlmsg.SubsysNFTables, 0)
	b.table("mine", 0)
	b.commit(t, ns)
	s := dialIn(t, ns, Config{})
	require.NoError(t, ns.Close())
	require.NoError(t, outer.Close())
	found := 0
	for m, err := range s.Dump(testContext(t), request(getTable, nlmsg.FlagDump, 0, nil)) {
		require.NoError(t, err)
		require.EqualValues(t, newTable, m.Type)
		found++
	}
	assert.Equal(t, 1, found)
}

func TestDialUnknownProtocol(t *testing.T) {
	_, ns := openT(t)
	_, err := ns.Dial(31, Config{})
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.ErrorIs(t, err, unix.EPROTONOSUPPORT)
}

func TestDialUnknownGroup(t *testing.T) {
	_, ns := openT(t)
	_, err := ns.Dial(unix.NETLINK_NETFILTER, Config{Groups: []uint32{1 << 20}})
	require.ErrorContains(t, err, "1048576")
}
