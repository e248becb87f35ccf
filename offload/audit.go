package offload

import (
	"fmt"
	"log/slog"

	"github.com/go-fastpath/fastpath/ruleset"
)

// maxAudited is how many operations of a plan are told in the log.
const maxAudited = 100

// audited is a plan as the log tells it: its operations, one nft command each, and why.
type audited struct{ plan *ruleset.Plan }

// LogValue spells the operations, when there is somebody to read them.
func (a audited) LogValue() slog.Value {
	operations := a.plan.Operations()
	var lines []string
	for _, op := range operations[:min(len(operations), maxAudited)] {
		line := op.String()
		if op.Reason != "" {
			line += " # " + op.Reason
		}
		lines = append(lines, line)
	}
	if left := len(operations) - len(lines); left > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", left))
	}
	return slog.AnyValue(lines)
}
