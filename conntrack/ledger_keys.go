package conntrack

import "net/netip"

// These are keys for a Ledger: NewLedger(ByMark), NewLedger(ByInside(lan)). All of them can be saved.

// An End is one end of a connection: an address, and whether it sent the first packet that the connection was tracked by. Where it Began, an
// Account's Sent is what it sent, and Received what it received; else Sent is what it received, and Received what it sent. So an address has
// an End for either case, and up to two accounts. It is a plain, comparable value.
type End struct {
	Addr  netip.Addr `json:"addr"`
	Began bool       `json:"began"`
}

// UpDown is what the End sent, and what it received.
func (e End) UpDown(a Account) (up, down Counters) {
	if e.Began {
		return a.Sent, a.Received
	}
	return a.Received, a.Sent
}

// ByInside books by the end that lies in one of these prefixes, untranslated: a subscriber behind the router. Its address is the same whichever
// side began the connection, so also where a connection that was evicted, or picked up in its middle, goes on with a packet of the other side. Of a
// connection between two ends inside, the one that began has it; one without an end inside is not booked.
func ByInside(prefixes ...netip.Prefix) func(Entry) (End, bool) {
	inside := newMatcher(Match{Prefixes: prefixes})
	return func(e Entry) (End, bool) {
		if a := e.Orig.Src.Addr(); inside.contains(a) {
			return End{a, true}, true
		}
		a := e.Reply.Src.Addr() // who answers, behind any translation
		return End{Addr: a}, inside.contains(a)
	}
}

// BySource books by the address that the first packet came from, which is not always the client's: where a connection that was evicted goes on with a
// packet of the server, it begins anew, and the server is its source. ByInside has the same address for both.
func BySource(e Entry) (netip.Addr, bool) { return e.Orig.Src.Addr(), true }

// ByMark books by the ct mark; a connection without one is not booked. Mark a packet's connection where it is new, by what holds for either side, for
// a connection that begins anew after it was evicted has no mark.
func ByMark(e Entry) (uint32, bool) { return e.Mark, e.Mark != 0 }

// ByZone books by the conntrack zone, whichever direction it holds for; 0 is the default zone.
func ByZone(e Entry) (uint16, bool) { return e.Zone, true }
