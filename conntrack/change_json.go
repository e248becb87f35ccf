package conntrack

import "encoding/json"

// MarshalJSON writes c as {"kind": "path changed", "from": "slow", "lost": true, "delta": {...}, "entry": {...}}. What means nothing for the kind
// is left out: from is there for a step between paths alone, the entry not for what is about the whole table; lost where something was missed, and
// the delta of a direction where it is known.
func (c Change) MarshalJSON() ([]byte, error) {
	j := changeJSON{Kind: c.Kind, Lost: c.Lost}
	if c.Kind == PathChanged {
		j.From = &c.From
	}
	if c.Delta.Sent.OK || c.Delta.Received.OK {
		j.Delta = &c.Delta
	}
	if c.Kind.ofOne() {
		j.Entry = &c.Entry
	}
	return json.Marshal(j)
}

type changeJSON struct {
	Kind  Kind   `json:"kind"`
	From  *Path  `json:"from,omitempty"`
	Lost  bool   `json:"lost,omitempty"`
	Delta *Delta `json:"delta,omitempty"`
	Entry *Entry `json:"entry,omitempty"`
}

// MarshalJSON writes both directions as an Entry's counters: {"sent": {"packets": 3, "bytes": 180}}; one that is unknown is left out.
func (d Delta) MarshalJSON() ([]byte, error) {
	return json.Marshal(deltaJSON{d.Sent.json(), d.Received.json()})
}

type deltaJSON struct {
	Sent     *countersJSON `json:"sent,omitempty"`
	Received *countersJSON `json:"received,omitempty"`
}
