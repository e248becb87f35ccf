package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-fastpath/fastpath/internal/goal"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
	"github.com/go-fastpath/fastpath/ruleset/replay"
)

const (
	foreignRules = 60_000
	foreignEach  = 20 * time.Millisecond // between two commits of others
	besideRounds = 4                     // for each round of the others: most calls are short
)

// A besideRun is what a Manager's calls cost alone, and beside a large ruleset of others and a program that commits all the time.
type besideRun struct {
	calls         []string
	alone, beside map[string]*series
}

// besideGoals measures single changes of a table of 10,000 rules and as many elements, the kill switch, and what finds nothing to do.
func besideGoals(ctx context.Context, w io.Writer, rounds int) ([]goal.Goal, error) {
	run := besideRun{calls: []string{"change", "again", "off", "on"}, alone: map[string]*series{}, beside: map[string]*series{}}
	for _, name := range run.calls {
		run.alone[name], run.beside[name] = &series{name: name + " alone"}, &series{name: name + " beside others"}
	}
	if err := inNamespace(func(ns *testns.Namespace) error { return run.once(ctx, ns, besideRounds*rounds) }); err != nil {
		return nil, err
	}
	var goals []goal.Goal
	for _, name := range run.calls {
		alone, beside := run.alone[name], run.beside[name]
		writeSeries(w, fmt.Sprintf("%s, beside %d rules of others and %d commits a second", name, foreignRules, time.Second/foreignEach), []*series{beside, alone})
		allowed := max(2*alone.wall(), alone.wall()+50*time.Millisecond)
		goals = append(goals,
			goal.Of("beside-"+name+"-median-of-allowed", float64(beside.wall())/float64(allowed), 1),
			goal.Of("beside-"+name+"-slowest-vs-alone", float64(slowest(beside))/float64(max(slowest(alone), 10*time.Millisecond)), 10))
	}
	return goals, nil
}

func slowest(s *series) time.Duration { return slices.Max(sorted(s.samples, sampleWall)) }

// once measures alone, and then beside others.
func (r *besideRun) once(ctx context.Context, ns *testns.Namespace, rounds int) error {
	m, err := offload.Open(ctx, &offload.Config{NetNS: ns.Path()})
	if err != nil {
		return err
	}
	defer m.Close()
	spec := ruleSpec()
	set := elementSpec(rules).Tables[0].Sets[0]
	set.Elements = set.Elements[:rules]
	spec.Tables[0].Sets = append(spec.Tables[0].Sets, set)
	if err := planAndApply(ctx, m, spec); err != nil {
		return err
	}
	port := uint16(0)
	if err := r.measure(ctx, m, spec, &port, rounds, r.alone); err != nil {
		return err
	}
	if err := ns.NFT(ctx, foreignTable()); err != nil {
		return err
	}
	stop := commitSteadily(ns)
	err = r.measure(ctx, m, spec, &port, rounds, r.beside)
	return errors.Join(err, stop())
}

// measure makes the calls in turns; the first turn is not counted.
func (r *besideRun) measure(ctx context.Context, m *offload.Manager, spec *ruleset.Spec, port *uint16, rounds int, to map[string]*series) error {
	for i := range rounds + 1 {
		*port++
		spec = withRule(spec, 5000, rule(60_000, *port))
		for _, name := range r.calls {
			one, err := timed(func() error {
				switch name {
				case "off":
					return m.Off(ctx, "")
				case "on":
					return m.On(ctx, "")
				}
				return planAndApply(ctx, m, spec)
			})
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if i > 0 {
				to[name].samples = append(to[name].samples, one)
			}
		}
	}
	return nil
}

// foreignTable is what others have.
func foreignTable() string {
	var b strings.Builder
	b.WriteString("table ip foreign {\nchain c {\n")
	for i := range foreignRules {
		fmt.Fprintf(&b, "ip saddr %v tcp dport %d counter accept\n", address(i), 1+i%60_000)
	}
	b.WriteString("}\n}\n")
	return b.String()
}

// commitSteadily has another program make and delete a table in turns, until it is stopped.
func commitSteadily(ns *testns.Namespace) (stop func() error) {
	end := make(chan struct{})
	var running sync.WaitGroup
	var failed error
	running.Go(func() {
		failed = ns.Do(func() error {
			tick := time.NewTicker(foreignEach)
			defer tick.Stop()
			for n := 0; ; n++ {
				select {
				case <-end:
					return nil
				case <-tick.C:
				}
				msg, flags := uint16(nlmsg.NFTMsgNewTable), uint16(nlmsg.FlagCreate)
				if n%2 == 1 {
					msg, flags = nlmsg.NFTMsgDelTable, 0
				}
				if err := replay.Send(tableBatch(msg, flags)); err != nil {
					return err
				}
			}
		})
	})
	return func() error {
		close(end)
		running.Wait()
		return failed
	}
}

// tableBatch is a batch with one message about a table.
func tableBatch(msg, flags uint16) []byte {
	b := nlmsg.NewBuilder(nlmsg.Native(), nil)
	b.BeginNetfilter(nlmsg.NFTypeBatchBegin, nlmsg.FlagRequest, 0, 0, nlmsg.SubsysNFTables)
	b.End()
	b.BeginNetfilter(nlmsg.NFTablesType(msg), nlmsg.FlagRequest|nlmsg.FlagAck|flags, 1, nlmsg.FamilyInet, 0)
	b.String(nlmsg.NFTATableName, "busy")
	b.End()
	b.BeginNetfilter(nlmsg.NFTypeBatchEnd, nlmsg.FlagRequest, 2, 0, nlmsg.SubsysNFTables)
	b.End()
	return b.Bytes()
}
