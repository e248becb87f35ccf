package offloadtest

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/kernel"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/nlsock"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// onReal is this machine's kernel in a namespace of its own.
type onReal struct {
	ns      *testns.Namespace
	where   *nlsock.Namespace
	k       *kernel.Kernel
	sockets map[string]*nlsock.Socket
}

// newReal has the rows' devices, or none.
func newReal(t *testing.T, devices ...string) onReal {
	ns := testns.NewT(t, "contract")
	where, err := nlsock.OpenNamespace(ns.Path())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, where.Close()) })
	k, err := kernel.Open(ns.Path())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, k.Close()) })
	m := onReal{ns, where, k, map[string]*nlsock.Socket{}}
	t.Cleanup(func() {
		for _, s := range m.sockets {
			require.NoError(t, s.Close())
		}
	})
	for _, name := range devices {
		m.change(t, []string{"add", name})
	}
	return m
}

func (m onReal) transact(t *testing.T, on string, b []byte, messages int) ([]nlmsg.Ack, []nlmsg.Message) {
	t.Helper()
	s := m.sockets[on]
	if s == nil {
		var err error
		s, err = m.where.Dial(unix.NETLINK_NETFILTER, nlsock.Config{})
		require.NoError(t, err)
		m.sockets[on] = s
	}
	if on == "" {
		defer m.close(t, on)
	}
	acks, echoes, err := s.CommitEchoes(soon(t), b, messages)
	require.NoError(t, err)
	return acks, echoes
}

func (m onReal) close(t *testing.T, socket string) {
	t.Helper()
	require.NoError(t, m.sockets[socket].Close())
	delete(m.sockets, socket)
}

func (m onReal) dump(t *testing.T) []ruleset.Message {
	var list []ruleset.Message
	for x, err := range m.k.Dump(soon(t)) {
		require.NoError(t, err)
		list = append(list, x)
	}
	return list
}

func (m onReal) change(t *testing.T, command []string) {
	t.Helper()
	line := map[string]string{"add": "link add " + command[1] + " type dummy", "del": "link del " + command[1]}[command[0]]
	if command[0] == "rename" {
		line = "link set " + command[1] + " name " + command[2]
	}
	require.NoError(t, m.ns.IP(soon(t), line))
}

// TestContractReal holds every row against this machine's kernel: the answers, and what is there in the end, are those of
// the imitated kernel of its release.
func TestContractReal(t *testing.T) {
	testns.RequireNamespaces(t)
	inVM := os.Getenv("FASTPATH_VM") != ""
	flowtables, reason := testns.HaveFlowtables(soon(t))
	require.True(t, flowtables || !inVM, reason)
	like := modelOf(realManner(t))
	exact := isModel(t, like)
	held, left, between := 0, 0, 0
	for _, r := range rows() {
		imitated := r.run(t, newFake(t, like))
		if imitated.flowtables && !flowtables {
			left++
			continue
		}
		if r.exact && !exact {
			between++
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			testns.CheckLeaks(t)
			var devices []string
			if imitated.flowtables {
				devices = []string{"d0", "d1", "hwno0"}
			}
			real := r.run(t, newReal(t, devices...))
			if !exact { // kernels differ in the order of attributes
				real.state, imitated.state = sortedLines(real.state), sortedLines(imitated.state)
				real.echoes, imitated.echoes = sortedLines(real.echoes), sortedLines(imitated.echoes)
			}
			if assert.Equal(t, real.answers, imitated.answers, "answers of the real kernel, and of the imitated") &&
				assert.Equal(t, real.echoes, imitated.echoes, "echoes of the real kernel, and of the imitated") &&
				assert.Equal(t, real.state, imitated.state, "state of the real kernel, and of the imitated") {
				held++
			}
		})
	}
	t.Logf("Linux %s like the imitated %s: %d of %d rows held, %d left out", realRelease(t), modelNames[like], held, len(rows()), left+between)
	if left > 0 {
		t.Skipf("%d rows with flowtables were left out: %s: make test", left, reason)
	}
}

// isModel reports whether this machine's kernel is a model itself.
func isModel(t *testing.T, like model) bool {
	release, err := testns.Kernel()
	require.NoError(t, err)
	return fmt.Sprintf("%d.%d", release.Major, release.Minor) == modelNames[like]
}

// sortedLines leaves the order of attributes out.
func sortedLines(state string) string {
	messages := strings.Split(state, "\n#")
	for i, m := range messages {
		lines := strings.Split(m, "\n")
		slices.Sort(lines)
		messages[i] = strings.Join(lines, "\n")
	}
	return strings.Join(messages, "\n#")
}

// realManner is how this machine's kernel treats the devices of flowtables, as it is tried.
func realManner(t *testing.T) flowtable.Kernel {
	target, err := newReal(t).k.Target(soon(t))
	require.NoError(t, err)
	return target.Kernel
}

func realRelease(t *testing.T) string {
	release, err := testns.Kernel()
	require.NoError(t, err)
	return release.String()
}
