package conntrack

import (
	"encoding/json"
	"net/netip"
	"time"
)

// MarshalJSON writes e with the path and NAT that follow from it. What the kernel did not give is left out: counters, timeout,
// state, timestamps, labels, helper. The timeout is in seconds.
func (e Entry) MarshalJSON() ([]byte, error) {
	j := entryJSON{
		ID: e.ID, Zone: e.Zone, Path: e.Path(), Orig: e.Orig, Reply: e.Reply, Status: e.Status, Mark: e.Mark, State: e.State, Labels: e.Labels, Flowtable: e.Flowtable,
		Sent: e.Sent.json(), Received: e.Received.json(), Start: e.Start, Stop: e.Stop, Event: e.Event, Helper: e.Helper, Use: e.Use,
	}
	if e.HasTimeout {
		seconds := int64(e.Timeout / time.Second)
		j.Timeout = &seconds
	}
	if to, ok := e.SNAT(); ok {
		j.SNAT = to
	}
	if to, ok := e.DNAT(); ok {
		j.DNAT = to
	}
	return json.Marshal(j)
}

type entryJSON struct {
	ID        uint32         `json:"id"`
	Zone      uint16         `json:"zone,omitempty"`
	Path      Path           `json:"path"`
	Orig      Tuple          `json:"orig"`
	Reply     Tuple          `json:"reply"`
	SNAT      netip.AddrPort `json:"snat,omitzero"`
	DNAT      netip.AddrPort `json:"dnat,omitzero"`
	Status    Status         `json:"status"`
	State     State          `json:"state,omitzero"`
	Labels    Labels         `json:"labels,omitzero"`
	Flowtable string         `json:"flowtable,omitempty"`
	Mark      uint32         `json:"mark,omitempty"`
	Timeout   *int64         `json:"timeout,omitempty"`
	Sent      *countersJSON  `json:"sent,omitempty"`
	Received  *countersJSON  `json:"received,omitempty"`
	Start     time.Time      `json:"start,omitzero"`
	Stop      time.Time      `json:"stop,omitzero"`
	Event     time.Time      `json:"event,omitzero"`
	Helper    string         `json:"helper,omitempty"`
	Use       uint32         `json:"use,omitempty"`
}

type countersJSON struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

func (c Counters) json() *countersJSON {
	if !c.OK {
		return nil
	}
	return &countersJSON{c.Packets, c.Bytes}
}
