package offload

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-fastpath/fastpath/conntrack"
)

// Watch opens a Watcher of the Manager's connections: those of its network namespace, of Config.Conntrack, or of its Kernel. cfg is that of
// conntrack.Open, nil means defaults; its NetNS and Source are the Manager's, whatever stands there. The caller closes the Watcher, and the
// Manager after it.
//
// Where Config.Announced is nil it is filled in from the rules that are in force, anyone's (ruleset.Loaded.Announced); an empty map asks for
// none. It is read once. After a change of the ruleset, a bit that is new is not known, one that is announced no more stays a name for the
// flows that bear it, and one that announces another flowtable is misnamed: open another Watcher after applying a Spec with other announcements.
//
// Errors are those of conntrack.Open and of reading the ruleset; they match errors.ErrUnsupported where the Kernel has no connections.
func (m *Manager) Watch(ctx context.Context, cfg *conntrack.Config) (*conntrack.Watcher, error) {
	var c conntrack.Config
	if cfg != nil {
		c = *cfg
	}
	c.NetNS, c.Source = "", nil
	if m.connections.source != nil {
		c.Source = lent{m.connections.source}
	}
	if !m.place(&c) {
		return nil, fmt.Errorf("offload: watch: %w", errNoConnections)
	}
	if c.Announced == nil {
		have, err := m.load(ctx, "")
		if err != nil && !errors.Is(err, errors.ErrUnsupported) { // without nf_tables nothing is announced
			return nil, fmt.Errorf("offload: watch: which flowtables are announced: %w", err)
		}
		c.Announced = have.Announced()
	}
	return conntrack.Open(ctx, &c)
}

var errNoConnections = fmt.Errorf("%w: this Kernel has no connections; give some as Config.Conntrack", errors.ErrUnsupported)

// lent is the Manager's own Source, which outlives those who borrow it.
type lent struct{ conntrack.Source }

// Close does nothing: the Manager closes it.
func (lent) Close() error { return nil }
