package offloadtest

import (
	"cmp"
	"slices"
	"time"

	"github.com/go-fastpath/fastpath/conntrack"
)

// The settings that decide what connections tell, as they are when one begins.
const (
	accounting = "net.netfilter.nf_conntrack_acct"
	events     = "net.netfilter.nf_conntrack_events"
	timestamps = "net.netfilter.nf_conntrack_timestamp"
	tcpLoose   = "net.netfilter.nf_conntrack_tcp_loose"
)

// connections is the table of connections, and who listens.
type connections struct {
	entries []connection
	nextID  uint32
	queues  map[*subscription]bool
	// timesEvents: notifications tell when what they tell of happened (CTA_TIMESTAMP_EVENT, Linux 6.14).
	timesEvents bool
	// losesTags: news of routes and links takes [OFFLOAD] from connections whose flows stay in their flowtables (Linux 7.3).
	losesTags bool
}

// A connection is one that is tracked. Whether it tells of itself was decided when it began.
type connection struct {
	conntrack.Entry
	tells  bool
	inside bool // it is in a flowtable, whatever its status says
}

// Conntrack is the kernel's table of connections as a conntrack.Config takes it. It is not the Kernel itself, because both
// interfaces have a Dump.
func (k *Kernel) Conntrack() conntrack.Source { return source{k} }

// AddFlow begins a connection, and notifies, as nf_conntrack_events says: neither of its beginning nor of anything later with 0, and
// with 2 only if somebody listens now. An ID of 0 is filled in, a Reply without addresses is Orig reversed, and a Start with
// nf_conntrack_timestamp. With an offload bit it is in a flowtable, until SetFlow or UpdateFlow gives it a status without. A Zone that a Tuple has is the Entry's. It replaces one of the same tuple and zone.
func (k *Kernel) AddFlow(e conntrack.Entry) conntrack.Entry {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e.ID == 0 {
		k.table.nextID++
		e.ID = k.table.nextID
	}
	if !e.Reply.Src.IsValid() {
		e.Reply = e.Orig.Reversed()
	}
	if e.Start.IsZero() && k.sysctls[timestamps] == "1" {
		e.Start = time.Now()
	}
	e.Zone = cmp.Or(e.Zone, e.Orig.Zone, e.Reply.Zone)
	e.Event = time.Time{}
	k.table.remove(e.Key())
	c := connection{Entry: e, inside: isOffloaded(&e), tells: k.sysctls[events] == "1" || k.sysctls[events] == "2" && len(k.table.queues) > 0}
	k.table.entries = append(k.table.entries, c)
	k.table.notify(conntrack.NotifyNew, c)
	return e
}

// SetFlow changes a connection of the same tuple and zone without a word, as the kernel does with offload bits and
// counters. It reports whether there is one.
func (k *Kernel) SetFlow(e conntrack.Entry) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	i := k.table.find(e.Key())
	if i >= 0 {
		e.Event = time.Time{}
		k.table.entries[i].Entry, k.table.entries[i].inside = e, isOffloaded(&e)
	}
	return i >= 0
}

// UpdateFlow is SetFlow with a notification, as the kernel gives for a mark or a TCP state.
func (k *Kernel) UpdateFlow(e conntrack.Entry) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	i := k.table.find(e.Key())
	if i >= 0 {
		e.Event = time.Time{}
		k.table.entries[i].Entry, k.table.entries[i].inside = e, isOffloaded(&e)
		k.table.notify(conntrack.NotifyUpdate, k.table.entries[i])
	}
	return i >= 0
}

// DelFlow ends a connection, and notifies with its last counters. It reports whether there was one.
func (k *Kernel) DelFlow(key conntrack.Key) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.table.end(key)
}

// Overrun makes every subscription lose what it has not read yet, and say so.
func (k *Kernel) Overrun() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for q := range k.table.queues {
		q.put(queued{err: conntrack.ErrOverrun}, true)
	}
}

// find looks a connection up as ctnetlink does, by the tuple of either direction, in the zone that holds for that one; -1 if there is none.
func (c *connections) find(key conntrack.Key) int {
	return slices.IndexFunc(c.entries, func(e connection) bool {
		return within(e.Orig, e.Key().Zone) == within(key.Orig, cmp.Or(key.Zone, key.Orig.Zone)) ||
			within(e.Reply, replyZone(e.Zone, e.Orig.Zone)) == within(key.Orig, replyZone(key.Zone, key.Orig.Zone))
	})
}

// within is t in a zone that both directions have.
func within(t conntrack.Tuple, zone uint16) conntrack.Tuple {
	t.Zone = zone
	return t
}

// replyZone is the zone of the reply direction, where orig is that of the original one alone.
func replyZone(zone, orig uint16) uint16 {
	if orig != 0 {
		return 0
	}
	return zone
}

func (c *connections) remove(key conntrack.Key) (connection, bool) {
	i := c.find(key)
	if i < 0 {
		return connection{}, false
	}
	e := c.entries[i]
	c.entries = slices.Delete(c.entries, i, i+1)
	return e, true
}

func (c *connections) end(key conntrack.Key) bool {
	e, ok := c.remove(key)
	if ok {
		if !e.Start.IsZero() {
			e.Stop = time.Now()
		}
		c.notify(conntrack.NotifyDestroy, e)
	}
	return ok
}

// notify tells all that listen. Counters come with the end alone, and the references that the kernel holds with none; when it happened of a connection
// that knows when it began.
func (c *connections) notify(kind conntrack.NotificationKind, e connection) {
	if !e.tells {
		return
	}
	e.Use = 0
	if c.timesEvents && !e.Start.IsZero() {
		e.Event = time.Now()
	}
	if kind != conntrack.NotifyDestroy {
		e.Sent, e.Received = conntrack.Counters{}, conntrack.Counters{}
	}
	for q := range c.queues {
		q.put(queued{notification: conntrack.Notification{Kind: kind, Entry: e.Entry}}, false)
	}
}
