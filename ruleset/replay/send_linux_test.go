package replay_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
	"github.com/go-fastpath/fastpath/ruleset/replay"
)

// send sends a batch inside a namespace.
func send(ns *testns.Namespace, batch []byte) error {
	return ns.Do(func() error { return replay.Send(batch) })
}

func listing(t *testing.T, ns *testns.Namespace) string {
	t.Helper()
	text, err := ns.Ruleset(t.Context())
	require.NoError(t, err)
	return text
}

// otherOrder is the one that this machine does not have.
func otherOrder() binary.ByteOrder {
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		return binary.LittleEndian
	}
	return binary.BigEndian
}

func TestSend(t *testing.T) {
	ns := testns.NewT(t, "send")
	batch := batchOf(t, routerSpec(), nil)
	require.NoError(t, send(ns, batch))
	before := listing(t, ns)
	assert.Contains(t, before, "table inet router")

	err := send(ns, batch)
	require.ErrorIs(t, err, fs.ErrExist, "a plan for an empty kernel takes nothing over")
	var refused *replay.Error
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, 1, refused.Message)
	assert.Equal(t, syscall.EEXIST, refused.Errno)
	assert.Equal(t, "add table inet router", refused.Object)
	assert.Equal(t, before, listing(t, ns))
}

// TestSendRefuses what the kernel would drop without a word, or only try.
func TestSendRefuses(t *testing.T) {
	ns := testns.NewT(t, "refuses")
	batch := batchOf(t, routerSpec(), nil)
	for name, bad := range map[string][]byte{
		"nothing":       nil,
		"no end":        batch[:len(batch)-20],
		"no begin":      batch[20:],
		"cut off":       batch[:len(batch)-3],
		"two batches":   append(bytes.Clone(batch), batch...),
		"no batch":      []byte("table inet t { }\n"),
		"not from here": append(append(bytes.Clone(batch[:20]), batch[20:44]...), batch[20:]...),
	} {
		require.ErrorIs(t, send(ns, bad), replay.ErrMalformed, name)
	}
	require.ErrorIs(t, send(ns, batchOf(t, routerSpec(), otherOrder())), replay.ErrByteOrder)
	assert.Empty(t, listing(t, ns))
}

// TestSendManyRules: the send buffer is sized by the batch.
func TestSendManyRules(t *testing.T) {
	ns := testns.NewT(t, "many")
	batch := batchOf(t, manyRules(10_000), nil)
	require.Greater(t, len(batch), 2<<20)
	require.NoError(t, send(ns, batch))
	assert.Equal(t, 10_000, strings.Count(listing(t, ns), "counter packets"))
}

// TestSendFlowtable: a kernel without flowtables refuses, and the error says what.
func TestSendFlowtable(t *testing.T) {
	ns := testns.NewT(t, "flowtable")
	have, _ := testns.HaveFlowtables(t.Context())
	if have {
		require.NoError(t, send(ns, batchOf(t, routerSpec([]string{}...), nil)))
	}
	s := routerSpec("gone0")
	s.Tables[0].Name = "second"
	k, err := testns.Kernel()
	require.NoError(t, err)
	err = send(ns, batchOf(t, s, nil))
	if have && k.AtLeast(6, 16) {
		require.NoError(t, err, "a device that is missing is taken by name")
		return
	}
	require.ErrorIs(t, err, fs.ErrNotExist)
	var refused *replay.Error
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, "add flowtable inet second fast", refused.Object)
	assert.NotContains(t, listing(t, ns), "second")
}

// asChild makes this test binary run one of children instead of the tests, with less privilege.
const asChild = "FASTPATH_REPLAY_CHILD"

func children() map[string]func() error {
	return map[string]func() error{
		"nobody": func() error {
			err := replay.Send(childBatch(1))
			if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
				return fmt.Errorf("want fs.ErrPermission, have: %v", err)
			}
			return nil
		},
		"small buffer": func() error {
			if err := replay.Send(childBatch(1)); err != nil {
				return fmt.Errorf("a small batch: %w", err)
			}
			err := replay.Send(longBatch(childBatch(1), 1<<18))
			if !errors.Is(err, replay.ErrSendBuffer) || !strings.Contains(err.Error(), "net.core.wmem_max") {
				return fmt.Errorf("want ErrSendBuffer, have: %v", err)
			}
			return nil
		},
	}
}

// childBatch is the batch of a table with n rules.
func childBatch(n int) []byte {
	r, err := manyRules(n).Resolve(nil)
	if err != nil {
		return nil
	}
	p, err := ruleset.Diff(nil, r)
	if err != nil {
		return nil
	}
	b, err := p.Batch(nil)
	if err != nil {
		return nil
	}
	return b.Bytes()
}

// longBatch repeats what a batch does that many times.
func longBatch(batch []byte, times int) []byte {
	order, end := binary.NativeEndian, len(batch)-20
	long, seq := bytes.Clone(batch[:20]), uint32(1)
	number := func(b []byte) []byte {
		for n := 0; n < len(b); seq++ {
			order.PutUint32(b[n+8:], seq)
			n += int(order.Uint32(b[n:])+3) &^ 3
		}
		return b
	}
	for range times {
		long = append(long, number(batch[20:end])...)
	}
	return append(long, number(batch[end:])...)
}

func TestMain(m *testing.M) {
	child, ok := children()[os.Getenv(asChild)]
	if !ok {
		os.Exit(m.Run())
	}
	if err := child(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func startChild(t *testing.T, name string, attr *syscall.SysProcAttr) {
	t.Helper()
	testns.RequireNamespaces(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Env = append(os.Environ(), asChild+"="+name)
	cmd.SysProcAttr = attr
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// TestSendAsNobody: without privilege the error says which one it takes.
func TestSendAsNobody(t *testing.T) {
	startChild(t, "nobody", &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET, Credential: &syscall.Credential{Uid: 65534, Gid: 65534}})
}

// TestSendBufferTooSmall: in a user namespace of its own a process may write nf_tables, but not enlarge socket buffers beyond
// net.core.wmem_max.
func TestSendBufferTooSmall(t *testing.T) {
	startChild(t, "small buffer", &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	})
}
