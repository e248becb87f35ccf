package ruleset

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestLintOneWay: which drops in front of flow add answers of UDP pass by in the fast path. offload's TestDocsDroppedAnswers shows it on kernels.
func TestLintOneWay(t *testing.T) {
	add := R(CTState.Is(Established), FlowAdd("f"))
	base := func(rules ...Rule) []Chain { return []Chain{{Name: "c", Hook: Forward, Rules: append(rules, add)}} }
	at := func(rule string) []string { return []string{"one-way-drop tables[0].chains" + rule} }
	answers := R(CTDirection.Is(Reply), L4Proto.Is(UDP), Drop())
	for name, c := range map[string]struct {
		chains []Chain
		want   []string
	}{
		"answers":                       {base(answers), at("[0].rules[0]")},
		"of all protocols":              {base(R(Counter(), CTDirection.Not(Original), Drop())), at("[0].rules[0]")},
		"of TCP":                        {base(R(CTDirection.Is(Reply), L4Proto.Is(TCP), Drop())), nil},
		"questions":                     {base(R(CTDirection.Is(Original), Drop())), nil},
		"answers and questions":         {base(answers, R(CTDirection.Is(Original), L4Proto.Is(UDP), Drop())), nil},
		"from a port":                   {base(R(UDPSport.Is(53), Drop())), at("[0].rules[0]")},
		"from it, and new ones to it":   {base(R(UDPSport.Is(53), Drop()), R(CTState.Is(New), UDPDport.Is(53), Drop())), nil},
		"from it and to it":             {base(R(UDPSport.Is(53), Drop()), R(UDPDport.Is(53), Drop())), nil},
		"from one and to another":       {base(R(UDPSport.Is(53), Drop()), R(UDPDport.Is(54), Drop())), at("[0].rules[0]")},
		"from it, to it passes by":      {base(R(UDPSport.Is(53), IIFName.Is("a"), Drop()), R(UDPDport.Is(53), Return())), nil},
		"to a port":                     {base(R(UDPDport.Is(53), Drop())), nil},
		"a source":                      {base(R(IPSaddr.Is("192.0.2.1"), Drop())), nil},
		"a source of what stands":       {base(R(CTState.Is(Established), IPSaddr.Is("192.0.2.1"), Drop())), at("[0].rules[0]")},
		"and its other direction":       {base(R(CTState.Is(Established), IPSaddr.Is("192.0.2.1"), Drop()), R(IPDaddr.Is("192.0.2.1"), Drop())), nil},
		"a device of what is not new":   {base(R(CTState.Not(New), IIFName.Is("a"), Drop())), at("[0].rules[0]")},
		"all that stands":               {base(R(CTState.Is(Established), Drop())), []string{"unreachable-flow-add tables[0].chains[0].rules[1]"}},
		"invalid ones":                  {base(R(CTState.Is(Invalid), IIFName.Is("a"), Drop())), nil},
		"behind an accept":              {append([]Chain{{Name: "a", Hook: Forward, Priority: "-5", Rules: []Rule{R(CTState.Is(Established), Accept()), answers}}}, base()...), nil},
		"in an earlier chain":           {append(base(), Chain{Name: "a", Hook: Forward, Priority: "-5", Rules: []Rule{answers, answers}}), at("[1].rules[0]")},
		"in prerouting":                 {append(base(), Chain{Name: "a", Hook: Prerouting, Priority: "mangle", Rules: []Rule{answers}}), at("[1].rules[0]")},
		"before conntrack":              {append(base(), Chain{Name: "a", Hook: Prerouting, Priority: "raw", Rules: []Rule{R(UDPSport.Is(53), Drop())}}), nil},
		"behind flow add":               {[]Chain{{Name: "c", Hook: Forward, Rules: []Rule{add, answers}}}, []string{"drop-behind-offload tables[0].chains[0].rules[1]"}},
		"by a jump":                     {append(base(R(IIFName.Is("a"), Jump("d"))), Chain{Name: "d", Rules: []Rule{answers}}), at("[1].rules[0]")},
		"some of them, by a limit":      {base(R(CTDirection.Is(Reply), Statement{Limit: &Limiting{Rate: 1, Per: "second", Over: true}}, Drop())), nil},
		"where UDP is never offloaded":  {[]Chain{{Name: "c", Hook: Forward, Rules: []Rule{answers, R(L4Proto.Is(TCP), FlowAdd("f"))}}}, nil},
		"nor anything but ports of TCP": {[]Chain{{Name: "c", Hook: Forward, Rules: []Rule{answers, R(TCPDport.Is(443), FlowAdd("f"))}}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := forwardTable(c.chains...)
			require.NoError(t, s.Validate())
			assert.ElementsMatch(t, c.want, findingsOf(s))
		})
	}
}
