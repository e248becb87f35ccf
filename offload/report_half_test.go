package offload

import (
	"context"
	"errors"
	"iter"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/ruleset"
)

// A routing fake has one flowtable of someone else's, and knows the devices of routes.
type routing struct {
	*fake
	listed []flowtable.Selector
	routes map[string]string // device by address
	err    error
}

func (r *routing) Devices(_ context.Context, addrs []netip.Addr) (map[netip.Addr]string, error) {
	found := map[netip.Addr]string{}
	for _, a := range addrs {
		if d := r.routes[a.String()]; d != "" {
			found[a] = d
		}
	}
	return found, r.err
}

func (r *routing) Flowtables(ctx context.Context) iter.Seq2[ruleset.Message, error] {
	return func(yield func(ruleset.Message, error) bool) {
		for m, err := range r.fake.Flowtables(ctx) {
			if !yield(m, err) {
				return
			}
		}
		yield(r.message(nlmsg.NFTMsgNewFlowtable, func(b *nlmsg.Builder) {
			b.String(nlmsg.NFTAFlowtableTable, "theirs")
			b.String(nlmsg.NFTAFlowtableName, "fast")
			hook := b.Nest(nlmsg.NFTAFlowtableHook)
			devs := b.Nest(nlmsg.NFTAFlowtableHookDevs)
			for _, s := range r.listed {
				if s.Prefix != "" {
					b.String(nlmsg.NFTADevicePrefix, s.Prefix)
				} else {
					b.String(nlmsg.NFTADeviceName, s.Name)
				}
			}
			b.EndNest(devs)
			b.EndNest(hook)
		}), nil)
	}
}

// halvesOf reports of offloaded flows from three addresses to one server, through a home router.
func halvesOf(t *testing.T, k *routing) *Report {
	t.Helper()
	k.fake = fakeMachine()
	k.target.Links = []flowtable.Link{
		{Index: 1, Name: "lan0", Master: 2}, {Index: 5, Name: "lan1", Master: 2}, {Index: 2, Name: "br-lan", Kind: "bridge"},
		{Index: 3, Name: "wan0"}, {Index: 4, Name: "ppp0", Kind: "ppp", PPPoE: flowtable.PPPoE{Device: "wan0", Session: 1}},
	}
	k.routes = map[string]string{"192.0.2.1": "br-lan", "192.0.2.2": "br-lan", "198.51.100.1": "ppp0"}
	source := &table{settings: conntrack.Settings{Accounting: true}, entries: []conntrack.Entry{
		entry(conntrack.UDP, "192.0.2.1", 0, 3, 300),
		entry(conntrack.TCP, "192.0.2.1", conntrack.Offload|conntrack.HWOffload, 1000, 100000),
		entry(conntrack.TCP, "192.0.2.2", conntrack.Offload, 10, 1000),
		entry(conntrack.UDP, "192.0.2.99", conntrack.Offload, 10, 1000), // its device is not certain
	}}
	w, err := conntrack.Open(testContext(t), &conntrack.Config{Source: source})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	m, err := Open(testContext(t), &Config{Kernel: k})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	r, err := m.Report(testContext(t), w)
	require.NoError(t, err)
	return r
}

func TestReportHalf(t *testing.T) {
	lan := Half{Device: "br-lan", Lower: []string{"lan0", "lan1"}, Flows: 2}
	wan := Half{Device: "ppp0", Lower: []string{"wan0"}, Flows: 3}
	for name, c := range map[string]struct {
		listed []flowtable.Selector
		want   []Half
	}{
		"lower devices":      {[]flowtable.Selector{{Name: "lan0"}, {Name: "wan0"}}, nil},
		"logical devices":    {[]flowtable.Selector{{Name: "br-lan"}, {Name: "ppp0"}}, nil},
		"by prefix":          {[]flowtable.Selector{{Prefix: "lan"}, {Prefix: "w"}}, nil},
		"one side":           {[]flowtable.Selector{{Name: "lan1"}}, []Half{wan}},
		"the other side":     {[]flowtable.Selector{{Name: "wan0"}}, []Half{lan}},
		"neither any longer": {nil, []Half{lan, wan}},
	} {
		t.Run(name, func(t *testing.T) {
			r := halvesOf(t, &routing{listed: c.listed})
			assert.Equal(t, c.want, r.Half)
			assert.EqualValues(t, 1, r.Untold)
		})
	}
	assert.Contains(t, halvesOf(t, &routing{}).String(),
		"Of 3 offloaded flows the packets from ppp0 take the slow path: no flowtable lists it or wan0 under it.\n")
}

// A report does not fail because routes cannot be read.
func TestReportWithoutRoutes(t *testing.T) {
	r := halvesOf(t, &routing{err: errors.New("broken")})
	assert.Empty(t, r.Half)
	assert.EqualValues(t, 3, r.Untold)
}
