package offload

import (
	"context"
	"fmt"

	"github.com/go-fastpath/fastpath/conntrack"
)

// An Eviction says which connections Evict removes. The zero Eviction is every connection. It is a plain value.
type Eviction struct {
	// Match narrows them.
	Match conntrack.Match
	// Device narrows them to those whose packets come in or leave by it, or by a device that stands on it: under eth0 also those of
	// eth0.7, of ppp0 over that, and of a bridge all of whose ports these are. "" is any device.
	Device string
	// DryRun only tells whom it would be.
	DryRun bool
}

// An Evicted tells what Evict did, or would. It is a plain value.
type Evicted struct {
	// Victims are the connections that were removed, or would be, and what that risks.
	Victims []conntrack.Victim `json:"victims"`
	// Untold is the number of connections that match, stay, and may go by Eviction.Device: nothing tells for certain by which devices
	// their packets come and go.
	Untold uint64 `json:"untold,omitempty"`
}

// Evict removes connections from conntrack, offloaded or not; the next packet of each takes the classic path and begins a new one. What may
// break by that is in each Victim's Risk. Nothing keeps the rules from offloading the new connection. It begins with whichever side speaks first:
// where that is the server, Orig is the other way round from then on; accounts by conntrack.ByInside stay right.
//
// Without a Device it is conntrack.Watcher.Evict. With one it reads what Match says, and asks routing for the two ends of each connection;
// a connection goes if one of its ends surely is behind the device. It is not told by which port of a bridge or slave of a bond packets
// come, nor anything where routing looks at more than the destination, or leads by several ways: such connections stay, and are counted.
//
// Errors match ErrNoDevice where there is no such device, and errors.ErrUnsupported where the Kernel has no connections. On an error
// what was evicted so far is returned beside it.
func (m *Manager) Evict(ctx context.Context, e Eviction) (*Evicted, error) {
	w, err := m.watcher(ctx)
	if err != nil {
		return nil, fmt.Errorf("offload: evict: %w", err)
	}
	if w == nil {
		return nil, fmt.Errorf("offload: evict: %w", errNoConnections)
	}
	done := &Evicted{}
	if e.Device == "" {
		done.Victims, err = w.Evict(ctx, e.Match, e.DryRun)
	} else {
		err = m.evictByDevice(ctx, w, &e, done)
	}
	if err != nil {
		err = fmt.Errorf("offload: evict: %w", err)
	}
	return done, err
}

func (m *Manager) evictByDevice(ctx context.Context, w *conntrack.Watcher, e *Eviction, done *Evicted) error {
	target, err := m.target(ctx, false, false)
	if err != nil {
		return err
	}
	by, err := devicesOver(target, e.Device)
	if err != nil {
		return err
	}
	settings, err := w.Settings(ctx)
	if err != nil {
		return err
	}
	entries, err := m.passing(ctx, w, e.Match, by, &done.Untold)
	if err == nil && !e.DryRun {
		entries, err = w.EvictEntries(ctx, entries)
	}
	for i := range entries {
		done.Victims = append(done.Victims, conntrack.Victim{Entry: entries[i], Risk: settings.Risk(&entries[i])})
	}
	return err
}

// So many connections are looked up in one go: the table is not held in memory.
const lookedUpAtOnce = 4096

// passing are the connections that surely go by a device; untold counts those of which that is open.
func (m *Manager) passing(ctx context.Context, w *conntrack.Watcher, match conntrack.Match, by over, untold *uint64) ([]conntrack.Entry, error) {
	var found, some []conntrack.Entry
	sort := func() error {
		devices, err := m.devices(ctx, endsOfAll(some))
		for i := range some {
			switch by.goesBy(endsOf(&some[i]), devices) {
			case surely:
				found = append(found, some[i])
			case perhaps:
				*untold++
			}
		}
		some = some[:0]
		return err
	}
	for entry, err := range w.Entries(ctx, match) {
		if err != nil {
			return nil, err
		}
		if some = append(some, entry); len(some) == lookedUpAtOnce {
			if err := sort(); err != nil {
				return nil, err
			}
		}
	}
	err := sort()
	return found, err
}
