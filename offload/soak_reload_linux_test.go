package offload_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestSoakReload changes rules, sets and devices again and again while many flows talk: none leaves the fast path but by a plan that
// said so before. The forward hook is asked, by one counter for all. With FASTPATH_SOAK (make soak) these are 200 reloads and 50
// flows, else a few.
func TestSoakReload(t *testing.T) {
	reloads, flows := 12, 10
	if os.Getenv("FASTPATH_SOAK") != "" {
		reloads, flows = 200, 50
	}
	// A UDP connection whose flowtable goes is left the kernel's timeout less the flowtable's (flow_offload_fixup_ct): without these it would
	// end there, and the next packet, perhaps an answer, would begin another.
	l := newLab(t, &testns.RouterConfig{Sysctls: map[string]string{
		"net.netfilter.nf_conntrack_udp_timeout": "7200", "net.netfilter.nf_conntrack_udp_timeout_stream": "7200",
	}})
	r := &reloading{lab: l, random: rand.New(rand.NewPCG(8, 1)), dummies: l.dummies(t, 6)}
	require.NoError(t, l.NS.NFT(t.Context(), "table inet soak_probe { chain c { type filter hook forward priority 30; counter; }; }"))
	l.apply(t, r.next())
	for i := range flows {
		r.flows = append(r.flows, l.DialT(t, []string{"tcp", "udp"}[i%2], testns.Families()[i/2%2]))
	}
	r.settle(t)

	disrupted, operations := 0, 0
	for n := range reloads {
		r.late = r.late != (n%10 == 9) // another priority: the flowtable is replaced
		spec := r.next()
		plan, err := l.manager.Plan(t.Context(), &spec)
		require.NoError(t, err)
		before := r.seen(t)
		talking := r.talk(t, 3)
		_, err = l.manager.Apply(t.Context(), plan)
		require.NoError(t, err, "%v", plan)
		talking.Wait()
		r.talk(t, 2).Wait()
		operations += len(plan.Operations())
		if r.disrupts(plan) {
			disrupted++
			r.settle(t)
			continue
		}
		require.Equal(t, before, r.seen(t), "flows left the fast path at reload %d, of which the plan says nothing:\n%s", n, plan)
	}
	assert.Equal(t, reloads/10, disrupted)
	for _, f := range r.flows[:4] { // the independent proof for one of each kind
		testns.AssertSoftwarePath(t, l.Router, f, within)
	}
	t.Logf("%d reloads of %d operations with %d flows, %d said that they disrupt", reloads, operations, flows, disrupted)
}

// reloading is a lab with many flows and what changes in its ruleset.
type reloading struct {
	*lab
	random  *rand.Rand
	dummies []string
	flows   []*testns.Flow
	late    bool
}

// next declares other rules, elements and devices than before. None is about the flows.
func (r *reloading) next() ruleset.Spec {
	fast, other := r.fast(), flowtable.Spec{Name: "other", NoCounter: r.random.IntN(2) == 0}
	fast.Priority = "filter"
	if r.late {
		fast.Priority = "filter + 5"
	}
	for _, d := range r.dummies {
		switch r.random.IntN(3) {
		case 0:
			fast.Devices = append(fast.Devices, names(d)...)
		case 1:
			other.Devices = append(other.Devices, names(d)...)
		}
	}
	slow := ruleset.Set{Name: "slow", Type: ruleset.IPv4Addr, Interval: true}
	for i := range 16 {
		if r.random.IntN(2) == 0 {
			slow.Elements = append(slow.Elements, fmt.Sprintf("198.51.100.%d-198.51.100.%d", 16*i, 16*i+r.random.IntN(15)))
		}
	}
	offload := []ruleset.Rule{ruleset.R(ruleset.IPSaddr.In("slow"), ruleset.Return()), ruleset.R(ruleset.L4Proto.Is(ruleset.TCP, ruleset.UDP), ruleset.FlowAdd("fast"))}
	var more []ruleset.Rule
	for range r.random.IntN(8) {
		rule := ruleset.R(ruleset.TCPDport.Is(uint16(1+r.random.IntN(4)), uint16(10+r.random.IntN(4))), ruleset.Counter())
		offload = slices.Insert(offload, r.random.IntN(2), rule)
		more = append(more, rule.Note(fmt.Sprint(r.random.IntN(3))))
	}
	return ruleset.Spec{Tables: []ruleset.Table{{
		Name: "accel", Flowtables: []flowtable.Spec{fast, other}, Sets: []ruleset.Set{slow},
		Chains: []ruleset.Chain{
			{Name: "accelerate", Hook: ruleset.Forward, Rules: offload},
			{Name: "more", Hook: ruleset.Forward, Priority: "50", Rules: more},
		},
	}}}
}

// disrupts reports whether a plan says that flows of the router's two sides leave the fast path. The other devices have none.
func (r *reloading) disrupts(plan *ruleset.Plan) bool {
	return slices.ContainsFunc(plan.Operations(), func(op ruleset.Operation) bool {
		if !op.Disruptive || op.Kind == ruleset.KindFlowtable && op.Name != "fast" {
			return false
		}
		_, devices, some := op.Flowtable()
		return !some || slices.Contains(devices, r.LANDevice) || slices.Contains(devices, r.WANDevice)
	})
}

// talk begins n verified round trips on every flow at once.
func (r *reloading) talk(t *testing.T, n int) *sync.WaitGroup {
	var group sync.WaitGroup
	for _, f := range r.flows {
		group.Go(func() {
			_, err := f.RoundTrip(t.Context(), n, 100)
			assert.NoError(t, err, "%v", f)
		})
	}
	return &group
}

// settle drives the flows until the forward hook sees nothing of them any more.
func (r *reloading) settle(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	require.NoError(t, testns.Poll(ctx, tick, func() (bool, error) {
		r.talk(t, 3).Wait()
		before := r.seen(t)
		r.talk(t, 2).Wait()
		return r.seen(t) == before, nil
	}), "flows do not come to the fast path")
}

var packets = regexp.MustCompile(`counter packets (\d+)`)

// seen is how many packets the forward hook has seen of all flows.
func (r *reloading) seen(t *testing.T) int {
	t.Helper()
	text, err := r.NS.Run(t.Context(), "", "nft", "list", "chain", "inet", "soak_probe", "c")
	require.NoError(t, err)
	found := packets.FindStringSubmatch(text)
	require.Len(t, found, 2, text)
	n, err := strconv.Atoi(found[1])
	require.NoError(t, err)
	return n
}
