package offload_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
	"github.com/go-fastpath/fastpath/ruleset/replay"
)

// The sizes of TestSoakBesideWriter.
type besideSize struct {
	own, foreign int
	each         time.Duration // between two commits of others
	lasts        time.Duration
}

// TestSoakBesideWriter has a Manager plan, apply, switch off and on, and wait for a confirmation, first alone and then beside a large
// ruleset of others and a program that commits without a pause, to a table that it makes and deletes in turns, and to a set. No
// call fails, and none takes many times as long as alone. Beside one who fills a live set of our own, which is read again each
// time, no call fails. With FASTPATH_SOAK (make soak) it is 10,000 rules and 10,000 elements
// of our own beside 60,000 rules of others and 50 commits a second; else a few of each.
func TestSoakBesideWriter(t *testing.T) {
	testns.CheckLeaks(t)
	size := besideSize{own: 1000, foreign: 5000, each: 20 * time.Millisecond, lasts: 2 * time.Second}
	if os.Getenv("FASTPATH_SOAK") != "" {
		size = besideSize{own: 10_000, foreign: 60_000, each: 20 * time.Millisecond, lasts: time.Until(soakUntil(t))}
	}
	ns := testns.NewT(t, "beside")
	m, err := offload.Open(t.Context(), &offload.Config{NetNS: ns.Path(), NoEvict: true, Watchdog: []string{"/proc/self/exe", "watchdog"}})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, m.Close()) })
	calls := &besideCalls{m: m, size: size}
	alone := calls.measure(t, size.lasts/4)

	require.NoError(t, ns.NFT(t.Context(), foreignRules(size.foreign)))
	w := besideWriter(t, ns, size.each, nlmsg.FamilyIPv4, "foreign", "answers")
	beside := calls.measure(t, size.lasts)
	commits, began := w.stop()
	rate := float64(commits) / time.Since(began).Seconds()
	w = besideWriter(t, ns, size.each, nlmsg.FamilyInet, "own", "live")
	filled := calls.measure(t, size.lasts/4)
	w.stop()
	t.Logf("others made %d commits, %.0f a second", commits, rate)
	assert.Greater(t, rate, 0.1/size.each.Seconds(), "others hardly committed")

	for _, name := range calls.names() {
		a, b := alone[name], beside[name]
		t.Logf("%-9s beside who fills our live set: %d times, median %v", name, len(filled[name]), median(filled[name]))
		t.Logf("%-9s alone %3d times: median %v, slowest %v; beside %3d times: median %v, slowest %v", name,
			len(a), median(a), slices.Max(a), len(b), median(b), slices.Max(b))
		if os.Getenv("FASTPATH_SOAK") == "" { // a machine at work on other tests tells nothing
			continue
		}
		assert.LessOrEqual(t, median(b), max(2*median(a), median(a)+50*time.Millisecond), "the median of %s", name)
		assert.LessOrEqual(t, slices.Max(b), 10*max(slices.Max(a), 50*time.Millisecond), "the slowest %s", name)
	}
}

// besideCalls are what a Manager is asked for in turns.
type besideCalls struct {
	m       *offload.Manager
	size    besideSize
	version int
	plan    *ruleset.Plan
}

func (c *besideCalls) names() []string {
	return []string{"plan", "apply", "again", "element", "off", "on", "isoff", "confirm", "take back"}
}

// measure makes the calls in turns for some time, and at least twice.
func (c *besideCalls) measure(t *testing.T, lasts time.Duration) map[string][]time.Duration {
	t.Helper()
	took := map[string][]time.Duration{}
	ctx, cancel := context.WithTimeout(t.Context(), lasts+5*time.Minute)
	defer cancel()
	for end, n := time.Now().Add(lasts), 0; n < 2 || time.Now().Before(end); n++ {
		c.version++
		spec := c.spec()
		for _, name := range c.names() {
			began := time.Now()
			require.NoError(t, c.call(ctx, name, spec), "%s, round %d", name, n)
			if n > 0 { // the first reads what the others know
				took[name] = append(took[name], time.Since(began))
			}
		}
	}
	return took
}

func (c *besideCalls) call(ctx context.Context, name string, spec *ruleset.Spec) (err error) {
	switch name {
	case "plan":
		c.plan, err = c.m.Plan(ctx, spec)
	case "apply":
		_, err = c.m.Apply(ctx, c.plan)
	case "again":
		var done *offload.Reconciled
		if done, err = c.m.Reconcile(ctx, spec); err == nil && !done.Plan.Empty() {
			err = fmt.Errorf("there was nothing to do, and this was done: %s", done.Plan)
		}
	case "element":
		_, err = c.m.AddElements(ctx, offload.LiveSet{Table: "own", Set: "live"}, fmt.Sprintf("198.51.%d.%d", c.version>>8&255, c.version&255))
	case "off":
		err = c.m.Off(ctx, "")
	case "on":
		err = c.m.On(ctx, "")
	case "confirm", "take back":
		var p *offload.Pending
		if p, err = c.confirmable(ctx); err != nil {
			return err
		}
		if name == "confirm" {
			return p.Confirm(ctx)
		}
		return p.Rollback(ctx)
	case "isoff":
		var off bool
		if _, off, err = c.m.IsOff(ctx, ""); err == nil && off {
			err = errors.New("it is off after On")
		}
	}
	return err
}

// confirmable applies another version, which waits to be confirmed.
func (c *besideCalls) confirmable(ctx context.Context) (*offload.Pending, error) {
	c.version++
	plan, err := c.m.Plan(ctx, c.spec())
	if err != nil {
		return nil, err
	}
	return c.m.ApplyConfirm(ctx, plan, time.Hour)
}

// spec is a version of the ruleset: some rules are others than before.
func (c *besideCalls) spec() *ruleset.Spec {
	chain := ruleset.Chain{Name: "forward", Hook: ruleset.Forward}
	fixed := ruleset.Set{Name: "fixed", Type: ruleset.IPv4Addr}
	for i := range c.size.own {
		port := uint16(1 + i)
		if i < 10 {
			port = uint16(20_000 + c.version)
		}
		addr := fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255)
		chain.Rules = append(chain.Rules, ruleset.R(ruleset.IPSaddr.Is(addr), ruleset.TCPDport.Is(port), ruleset.Counter()))
		fixed.Elements = append(fixed.Elements, addr)
	}
	return &ruleset.Spec{Tables: []ruleset.Table{{
		Name: "own", Sets: []ruleset.Set{fixed, {Name: "live", Type: ruleset.IPv4Addr, Live: true}}, Chains: []ruleset.Chain{chain},
	}}}
}

// foreignRules is a table of others, with a set that they fill.
func foreignRules(n int) string {
	var b strings.Builder
	b.WriteString("table ip foreign {\nset answers { type ipv4_addr; }\nchain c {\n")
	for i := range n {
		fmt.Fprintf(&b, "ip saddr 10.%d.%d.%d tcp dport %d counter accept\n", i>>16&255, i>>8&255, i&255, 1+i%60000)
	}
	b.WriteString("}\n}\n")
	return b.String()
}

// A steadyWriter commits until it is stopped.
type steadyWriter struct {
	commits int
	began   time.Time
	end     chan struct{}
	running sync.WaitGroup
}

// besideWriter makes and deletes a table, and an element of a set as dnsmasq does for an answer, in turns.
func besideWriter(t *testing.T, ns *testns.Namespace, each time.Duration, family byte, name, set string) *steadyWriter {
	t.Helper()
	answer := func(b *nlmsg.Builder) {
		b.String(nlmsg.NFTASetElemListTable, name)
		b.String(nlmsg.NFTASetElemListSet, set)
		list := b.Nest(nlmsg.NFTASetElemListElements)
		elem := b.Nest(nlmsg.NFTAListElem)
		key := b.Nest(nlmsg.NFTASetElemKey)
		b.Data(nlmsg.NFTADataValue, []byte{192, 0, 2, 1})
		b.EndNest(key)
		b.EndNest(elem)
		b.EndNest(list)
	}
	table := func(b *nlmsg.Builder) { b.String(nlmsg.NFTATableName, "busy") }
	batches := [][]byte{
		single(nlmsg.NFTMsgNewTable, nlmsg.FlagCreate, nlmsg.FamilyInet, table), single(nlmsg.NFTMsgNewSetElem, nlmsg.FlagCreate, family, answer),
		single(nlmsg.NFTMsgDelTable, 0, nlmsg.FamilyInet, table), single(nlmsg.NFTMsgDelSetElem, 0, family, answer),
	}
	w := &steadyWriter{began: time.Now(), end: make(chan struct{})}
	w.running.Go(func() {
		assert.NoError(t, ns.Do(func() error {
			tick := time.NewTicker(each)
			defer tick.Stop()
			for ; ; w.commits++ {
				select {
				case <-w.end:
					return nil
				case <-tick.C:
				}
				err := replay.Send(batches[w.commits%len(batches)])
				if err != nil && !errors.Is(err, fs.ErrNotExist) { // its element goes where a change is taken back
					return err
				}
			}
		}))
	})
	return w
}

// single is a batch of one message.
func single(msg, flags uint16, family byte, attrs func(*nlmsg.Builder)) []byte {
	b := nlmsg.NewBuilder(nlmsg.Native(), nil)
	b.BeginNetfilter(nlmsg.NFTypeBatchBegin, nlmsg.FlagRequest, 0, 0, nlmsg.SubsysNFTables)
	b.End()
	b.BeginNetfilter(nlmsg.NFTablesType(msg), nlmsg.FlagRequest|nlmsg.FlagAck|flags, 1, family, 0)
	attrs(b)
	b.End()
	b.BeginNetfilter(nlmsg.NFTypeBatchEnd, nlmsg.FlagRequest, 2, 0, nlmsg.SubsysNFTables)
	b.End()
	return b.Bytes()
}

func (w *steadyWriter) stop() (commits int, began time.Time) {
	close(w.end)
	w.running.Wait()
	return w.commits, w.began
}

func median(d []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(d))
	return sorted[len(sorted)/2]
}
