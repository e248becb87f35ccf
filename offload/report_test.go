package offload

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
)

// A table is a conntrack.Source that holds given entries.
type table struct {
	conntrack.Source
	entries  []conntrack.Entry
	settings conntrack.Settings
	err      error
}

func (t *table) Dump(context.Context, conntrack.Match) iter.Seq2[conntrack.Entry, error] {
	return func(yield func(conntrack.Entry, error) bool) {
		for _, e := range t.entries {
			if !yield(e, nil) {
				return
			}
		}
		if t.err != nil {
			yield(conntrack.Entry{}, t.err)
		}
	}
}

func (t *table) Settings(context.Context) (conntrack.Settings, error) { return t.settings, nil }

func (t *table) Close() error { return nil }

func entry(proto uint8, addr string, status conntrack.Status, packets, bytes uint64) conntrack.Entry {
	e := conntrack.Entry{Status: status}
	e.Orig.Proto = proto
	e.Orig.Src = netip.AddrPortFrom(netip.MustParseAddr(addr), 1)
	e.Reply.Src = netip.AddrPortFrom(netip.MustParseAddr("198.51.100.1"), 1)
	if packets > 0 {
		e.Sent = conntrack.Counters{Packets: packets, Bytes: bytes, OK: true}
		e.Received = conntrack.Counters{Packets: 1, Bytes: 40, OK: true}
	}
	return e
}

func report(t *testing.T, source *table) (*Report, error) {
	t.Helper()
	w, err := conntrack.Open(testContext(t), &conntrack.Config{Source: source})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	return openFake(t, fakeMachine()).Report(testContext(t), w)
}

func TestReport(t *testing.T) {
	source := &table{settings: conntrack.Settings{Accounting: true}, entries: []conntrack.Entry{
		entry(conntrack.UDP, "192.0.2.1", 0, 3, 300),
		entry(conntrack.TCP, "192.0.2.1", conntrack.Offload|conntrack.HWOffload, 1000, 100000),
		entry(conntrack.TCP, "192.0.2.2", conntrack.Offload, 10, 1000),
		entry(conntrack.TCP, "192.0.2.3", conntrack.Offload, 20, 2000),
		entry(conntrack.TCP, "2001:db8::1", conntrack.Offload, 0, 0),
		entry(200, "192.0.2.9", 0, 1, 50),
	}}
	r, err := report(t, source)
	require.NoError(t, err)
	assert.Equal(t, `PATH      PROTOCOL  FAMILY  FLOWS  COUNTED  PACKETS  BYTES
slow      udp       ipv4    1      1        4        340
slow      200       ipv4    1      1        2        90
software  tcp       ipv4    2      2        32       3080
software  tcp       ipv6    1      0        0        0
hardware  tcp       ipv4    1      1        1001     100040
total                       6      5        1039     103550
`, r.String())
	assert.EqualValues(t, 4, r.Untold, "the fake knows no routes")

	text, err := json.Marshal(r)
	require.NoError(t, err)
	assert.Contains(t, string(text), `{"path":"software","protocol":6,"family":2,"flows":2,"counted":2,"packets":32,"bytes":3080}`)
	var back Report
	require.NoError(t, json.Unmarshal(text, &back))
	assert.Equal(t, r, &back)
}

func TestReportOfNothing(t *testing.T) {
	r, err := report(t, &table{})
	require.NoError(t, err)
	assert.Equal(t, "PATH   PROTOCOL  FAMILY  FLOWS  COUNTED  PACKETS  BYTES\ntotal                    0      0        0        0\n"+
		"New connections have no counters: set net.netfilter.nf_conntrack_acct=1.\n", r.String())
	text, err := json.Marshal(r)
	require.NoError(t, err)
	assert.Contains(t, string(text), `"rows":[]`)
}

func TestReportErrors(t *testing.T) {
	broken := errors.New("broken")
	_, err := report(t, &table{entries: []conntrack.Entry{entry(6, "192.0.2.1", 0, 1, 1)}, err: broken})
	require.ErrorIs(t, err, broken)
	_, err = openFake(t, fakeMachine()).Report(testContext(t), nil)
	require.ErrorContains(t, err, "Manager.Watch")
}
