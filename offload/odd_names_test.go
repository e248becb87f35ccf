package offload

import (
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"

	"github.com/go-fastpath/fastpath/flowtable"
)

// oddName clears the screen of a terminal that is shown it.
const oddName = "w\x1b[2J\u009b1m\n"

// Whoever may name devices in the namespace says nothing to the terminal of whom looks at them.
func TestOddNamesAreQuoted(t *testing.T) {
	quiet := func(what, text string) {
		t.Helper()
		assert.Contains(t, text, flowtable.Spelled(oddName), what)
		assert.False(t, strings.ContainsFunc(strings.ReplaceAll(text, "\n", ""), unicode.IsControl), "%s: %q", what, text)
	}
	for _, kind := range []EventKind{EventLinks, EventRoutes} {
		quiet("why Run looked", noticeOf(&Event{Kind: kind, Device: oddName, What: "device changed"}).String())
	}
	status := Status{Devices: []DeviceStatus{{Binding: flowtable.Binding{Flowtable: "f", Device: oddName, State: flowtable.Unsupported}}}}
	quiet("a status", status.String())
	quiet("a report", (&Report{Half: []Half{{Device: oddName}}}).String())
	quiet("a report", (&Report{Half: []Half{{Device: "eth0", Lower: []string{oddName}}}}).String())

	named := func(s *scene) {
		l := s.links[bridge]
		l.Name = oddName
		s.links[bridge] = l
	}
	quiet("a stale flow", judged(sceneOf(named), sceneOf(func(s *scene) {
		named(s)
		s.Neighbours[Hop{Device: bridge, Addr: client}] = "02:00:00:00:00:09"
	})))
	quiet("a stranded flow", strandedBy(&flowtable.Target{Links: []flowtable.Link{{Index: 1, Name: oddName}, {Index: 2, Name: "eth0"}}},
		[]moved{{before: []string{oddName, "eth0"}, left: []string{oddName}}}, oddName, "eth0"))
}
