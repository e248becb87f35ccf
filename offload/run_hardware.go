package offload

import (
	"context"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/ruleset"
)

// hardware adds to a Target what is known of the drivers of those devices that flowtables with HardwareAuto may list. It asks
// drivers that were not asked yet.
func (m *Manager) hardware(_ context.Context, _ *ruleset.Spec, _ *flowtable.Target) error { return nil }
