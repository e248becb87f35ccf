package judge_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
	"github.com/go-fastpath/fastpath/ruleset/judge"
)

// FuzzJudge changes bytes in the expressions of a dump. Whatever they become, the judge ends, and no change evicts nobody.
func FuzzJudge(f *testing.F) {
	spec := table(rules(
		ruleset.R(ruleset.IPSaddr.Not("192.168.1.0/24", "10.0.0.1"), ruleset.TCPDport.Between(1, 80), ruleset.Drop()),
		ruleset.R(ruleset.MetaMark.Has(1, 3), ruleset.CTMark.Set(4, 4), ruleset.Jump("more")),
		ruleset.R(ruleset.CTPackets.AtLeast(30), ruleset.Limit(1, "second"), ruleset.FlowAdd("fast")),
	), chain(ruleset.Chain{Name: "more", Rules: rules(ruleset.R(ruleset.IIFName.Is("a*"), ruleset.DSCP.Is(1, 2), ruleset.Return()))}))
	f.Add(uint16(3), []byte{0xff, 0, 1})
	f.Add(uint16(77), []byte{4})
	kernel := offloadtest.New(nil, nil)
	resolved, err := spec.Resolve(nil)
	require.NoError(f, err)
	plan, err := ruleset.Diff(nil, resolved)
	require.NoError(f, err)
	batch, err := plan.Batch(nil)
	require.NoError(f, err)
	_, err = kernel.Commit(f.Context(), batch)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, at uint16, with []byte) {
		loaded, err := ruleset.Load("", func(yield func(ruleset.Message, error) bool) {
			for m := range kernel.Dump(t.Context()) {
				if m.Type == nlmsg.NFTablesType(nlmsg.NFTMsgNewRule) {
					m.Data = bytes.Clone(m.Data)
					for i, b := range with {
						m.Data[4+(int(at)+i)%(len(m.Data)-4)] ^= b
					}
				}
				if !yield(m, nil) {
					return
				}
			}
		})
		if err != nil {
			return
		}
		r, err := judge.Of(loaded, func(ruleset.LoadedTable) bool { return true })
		if err != nil {
			return
		}
		for _, flow := range []judge.Flow{lan(), lan6()} {
			if found := judge.NewChange(r, r, nil).Judge(&flow); found.Evict {
				t.Errorf("no change evicts: %s", found.Why)
			}
		}
	})
}
