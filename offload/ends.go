package offload

import (
	"context"
	"net/netip"

	"github.com/go-fastpath/fastpath/conntrack"
)

// ends are the two addresses between which a connection really runs: who began it, and who really answers.
type ends [2]netip.Addr

func endsOf(e *conntrack.Entry) ends { return ends{e.Orig.Src.Addr(), e.Reply.Src.Addr()} }

// endsOfAll are those of several connections, one after the other.
func endsOfAll(flows []conntrack.Entry) []ends {
	list := make([]ends, len(flows))
	for i := range flows {
		list[i] = endsOf(&flows[i])
	}
	return list
}

func addrsOf(list []ends) []netip.Addr {
	addrs := make([]netip.Addr, 0, 2*len(list))
	for _, e := range list {
		addrs = append(addrs, e[:]...)
	}
	return addrs
}

// devices are those by which the ends of flows are reached, where that is certain. An address of the machine itself is there without a name, if
// the Kernel tells it from one of which nothing is known.
func (m *Manager) devices(ctx context.Context, flows []ends) (map[netip.Addr]string, error) {
	k, ok := m.kernel.(Routed)
	if !ok {
		return nil, nil
	}
	return k.Devices(ctx, addrsOf(flows))
}
