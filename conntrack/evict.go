package conntrack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// A Victim is a connection that Evict removed, or would. It is a plain value.
type Victim struct {
	Entry Entry `json:"entry"` // as it was last read
	// Risk says why the connection may break, "" where it should go on; see Settings.Risk.
	Risk string `json:"risk,omitempty"`
}

// Evict removes the connections that m matches and returns those that it removed; with dry it only returns them, and with the Risk
// of each. Beware that the zero Match is every connection. A connection that ended meanwhile is no error and not returned. On an
// error the victims so far are returned beside it.
//
// Where the kernel's own filter says what m does (family, mark, paths and status, Linux 5.15, one zone, Linux 6.8), many connections go
// in one call; it takes also those that came to match since they were read, and they are not returned. Else each goes by a call of
// its own, and one that began anew under the same tuple stays.
//
// The next packet of an evicted flow begins a new connection.
func (w *Watcher) Evict(ctx context.Context, m Match, dry bool) ([]Victim, error) {
	settings, err := w.source.Settings(ctx)
	if err != nil {
		return nil, err
	}
	var victims []Victim
	for e, err := range w.Entries(ctx, m) {
		if err != nil {
			return nil, err
		}
		victims = append(victims, Victim{Entry: e, Risk: settings.Risk(&e)})
	}
	if dry || len(victims) == 0 {
		return victims, nil
	}
	if len(victims) > fewVictims {
		if err := w.source.DeleteAll(ctx, m); !errors.Is(err, errors.ErrUnsupported) {
			return victims, err
		}
	}
	return w.evict(ctx, victims)
}

// So few go one by one: that is exact.
const fewVictims = 16

// EvictEntries removes these connections, each by a call of its own, and returns those that it removed. A connection that began anew
// under the same tuple since it was read stays.
func (w *Watcher) EvictEntries(ctx context.Context, entries []Entry) ([]Entry, error) {
	var gone []Entry
	for _, e := range entries {
		switch err := w.source.Delete(ctx, e.Key()); {
		case err == nil:
			gone = append(gone, e)
		case !errors.Is(err, fs.ErrNotExist):
			return gone, fmt.Errorf("conntrack: evict %v: %w", e.Orig, err)
		}
	}
	return gone, nil
}

func (w *Watcher) evict(ctx context.Context, victims []Victim) (gone []Victim, err error) {
	for _, v := range victims {
		one, err := w.EvictEntries(ctx, []Entry{v.Entry})
		if err != nil {
			return gone, err
		}
		if len(one) > 0 {
			gone = append(gone, v)
		}
	}
	return gone, nil
}
