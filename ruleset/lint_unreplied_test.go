package ruleset

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestLintUnreplied: which flow adds a UDP connection comes to before its first answer.
func TestLintUnreplied(t *testing.T) {
	base := func(rules ...Rule) []Chain { return []Chain{{Name: "c", Hook: Forward, Rules: rules}} }
	add := R(L4Proto.Is(TCP, UDP), FlowAdd("f"))
	at := func(rule string) []string { return []string{"unreplied-udp tables[0].chains" + rule} }
	for name, c := range map[string]struct {
		chains []Chain
		want   []string
	}{
		"no state":             {base(add), at("[0].rules[0]")},
		"established":          {base(R(CTState.Is(Established), FlowAdd("f"))), nil},
		"established, related": {base(R(CTState.Is(Established, Related), FlowAdd("f"))), nil},
		"not new":              {base(R(CTState.Not(New), FlowAdd("f"))), nil},
		"not invalid":          {base(R(CTState.Not(Invalid), FlowAdd("f"))), at("[0].rules[0]")},
		"replies":              {base(R(CTDirection.Is(Reply), FlowAdd("f"))), nil},
		"answered":             {base(R(CTStatus.Is("seen-reply"), FlowAdd("f"))), nil},
		"answers counted":      {base(R(CTReplyPackets.AtLeast(1), FlowAdd("f"))), []string{"accounting tables[0].chains[0].rules[0]"}},
		"packets counted":      {base(R(CTPackets.AtLeast(1), FlowAdd("f"))), []string{"accounting tables[0].chains[0].rules[0]", at("[0].rules[0]")[0]}},
		"TCP":                  {base(R(L4Proto.Is(TCP), FlowAdd("f"))), nil},
		"a port of TCP":        {base(R(TCPDport.Is(443), FlowAdd("f"))), nil},
		"a port of UDP":        {base(R(UDPDport.Is(443), FlowAdd("f"))), at("[0].rules[0]")},
		"new ones left before": {base(R(CTState.Is(New), Return()), add), nil},
		"some left before":     {base(R(CTState.Is(New), IIFName.Is("a"), Return()), add), at("[0].rules[1]")},
		"all of these left":    {base(R(CTState.Is(New), IIFName.Is("a"), Return()), R(IIFName.Is("a"), FlowAdd("f"))), nil},
		"a limit left some":    {base(R(CTState.Is(New), Limit(1, "second"), Return()), add), at("[0].rules[1]")},
		"by a jump":            {append(base(R(IIFName.Is("a"), Jump("d"))), Chain{Name: "d", Rules: []Rule{add}}), at("[1].rules[0]")},
		"by a jump of answers": {append(base(R(CTState.Is(Established), Jump("d"))), Chain{Name: "d", Rules: []Rule{add}}), nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := forwardTable(c.chains...)
			require.NoError(t, s.Validate())
			assert.ElementsMatch(t, c.want, findingsOf(s))
		})
	}
	assert.Empty(t, findingsOf(policyTable(Inet, Policy{Flowtable: "fast", Only: Selection{States: []string{New, Established}}})), "a policy means it")
}
