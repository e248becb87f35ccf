package offloadtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/ruleset"
)

// stateText is what a dump holds, for comparison between kernels: every object with handle and use, flowtables as
// ruleset.Load reads them, rules by their expressions' names, sets by the number of their elements.
func stateText(t *testing.T, messages []ruleset.Message) string {
	t.Helper()
	l, err := ruleset.Load("", func(yield func(ruleset.Message, error) bool) {
		for _, m := range messages {
			if !yield(m, nil) {
				return
			}
		}
	})
	require.NoError(t, err)
	var lines []string
	for _, x := range l.Tables() {
		lines = append(lines, fmt.Sprintf("table %s %s owner %q use %d", x.Family, x.Name, x.Owner, x.Use))
	}
	for _, f := range l.Flowtables() {
		var devices []string
		for _, d := range f.Devices {
			devices = append(devices, d.String())
		}
		slices.Sort(devices)
		lines = append(lines, fmt.Sprintf("flowtable %s %s %s handle %d use %d priority %d flags %d devices %v",
			f.Family, f.Table, f.Name, f.Handle, f.Use, f.Priority, f.Flags, devices))
	}
	elements := map[string]int{}
	for _, m := range messages {
		if line := objectText(m, elements); line != "" {
			lines = append(lines, line)
		}
	}
	for set, n := range elements {
		lines = append(lines, fmt.Sprintf("elements %s: %d", set, n))
	}
	slices.Sort(lines)
	return fmt.Sprintf("generation %d\n%s", l.Generation(), strings.Join(lines, "\n"))
}

func objectText(m ruleset.Message, elements map[string]int) string {
	list := parse(m.Data[4:], 20)
	switch m.Type & 0xff {
	case nlmsg.NFTMsgNewChain:
		hook := list.get(nlmsg.NFTAChainHook).inside()
		return fmt.Sprintf("chain %s %s handle %d use %d type %q hook %d priority %d policy %d",
			list.get(nlmsg.NFTAChainTable), list.get(nlmsg.NFTAChainName), list.get(nlmsg.NFTAChainHandle).u64(),
			list.get(nlmsg.NFTAChainUse).u32(), list.get(nlmsg.NFTAChainType).String(), hook.get(nlmsg.NFTAHookHookNum).u32(),
			int32(hook.get(nlmsg.NFTAHookPriority).u32()), list.get(nlmsg.NFTAChainPolicy).u32())
	case nlmsg.NFTMsgNewSet:
		return fmt.Sprintf("set %s %s handle %d flags %d key %d", list.get(nlmsg.NFTASetTable), list.get(nlmsg.NFTASetName),
			list.get(nlmsg.NFTASetHandle).u64(), list.get(nlmsg.NFTASetFlags).u32(), list.get(nlmsg.NFTASetKeyLen).u32())
	case nlmsg.NFTMsgNewSetElem:
		name := list.get(nlmsg.NFTASetElemListTable).String() + " " + list.get(nlmsg.NFTASetElemListSet).String()
		elements[name] += len(list.get(nlmsg.NFTASetElemListElements).inside())
	case nlmsg.NFTMsgNewRule:
		var exprs []string
		for _, e := range list.get(nlmsg.NFTARuleExpressions).inside() {
			in := e.inside()
			name := in.get(nlmsg.NFTAExprName).String()
			if name == "lookup" {
				name += " " + in.get(nlmsg.NFTAExprData).inside().get(nlmsg.NFTALookupSet).String()
			}
			exprs = append(exprs, name)
		}
		return fmt.Sprintf("rule %s %s handle %d after %d: %s", list.get(nlmsg.NFTARuleTable), list.get(nlmsg.NFTARuleChain),
			list.get(nlmsg.NFTARuleHandle).u64(), list.get(nlmsg.NFTARulePosition).u64(), strings.Join(exprs, ", "))
	}
	return ""
}
