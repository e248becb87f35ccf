package ruleset_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/ruleset"
	"github.com/go-fastpath/fastpath/ruleset/judge"
)

// TestWithoutFlowtablesSameVerdicts: what is dropped with flowtables is dropped without, and nothing else.
func TestWithoutFlowtablesSameVerdicts(t *testing.T) {
	leaves := func(byte, string, string) bool { return true }
	for name, spec := range ruleset.DeclaredSpecs() {
		t.Run(name, func(t *testing.T) {
			with, without := judged(t, spec), judged(t, spec.WithoutFlowtables())
			away, back := judge.NewChange(with, without, leaves), judge.NewChange(without, with, nil)
			for _, f := range someFlows() {
				assert.Equal(t, judge.Finding{}, away.Judge(&f), "off: %+v", f)
				assert.Equal(t, judge.Finding{}, back.Judge(&f), "on again: %+v", f)
			}
		})
	}
}

func judged(t *testing.T, spec *ruleset.Spec) *judge.Ruleset {
	t.Helper()
	r, err := spec.Resolve(nil)
	require.NoError(t, err)
	plan, err := ruleset.Diff(nil, r)
	require.NoError(t, err)
	batch, err := plan.Batch(nil)
	require.NoError(t, err)
	judged, err := judge.OfBatch(batch)
	require.NoError(t, err)
	return judged
}

// someFlows are connections of both families and protocols between devices that the rulesets name.
func someFlows() []judge.Flow {
	var flows []judge.Flow
	for _, devices := range [][2]string{{"port1", "port2"}, {"lan0", "wan0"}, {"br-home", "ppp-net"}, {"", ""}} {
		for _, addrs := range [][2]string{{"192.168.1.2", "203.0.113.2"}, {"10.0.0.1", "192.0.2.1"}, {"2001:db8:1::2", "2001:db8:2::2"}} {
			for _, protocol := range []uint8{6, 17} {
				for _, port := range []uint16{22, 443, 5060, 40000} {
					from := netip.AddrPortFrom(netip.MustParseAddr(addrs[0]), 4000)
					to := netip.AddrPortFrom(netip.MustParseAddr(addrs[1]), port)
					flows = append(flows, judge.Flow{
						Protocol: protocol, Tuples: [2]judge.Tuple{{Src: from, Dst: to}, {Src: to, Dst: from}}, Counted: true,
						Carried: [2]judge.Meter{{Packets: 100, Bytes: 10000}, {Packets: 100, Bytes: 10000}}, Status: 1<<1 | 1<<2 | 1<<3,
						In: devices, Out: [2]string{devices[1], devices[0]},
					})
				}
			}
		}
	}
	return flows
}
