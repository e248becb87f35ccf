package conntrack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// A Victim is a connection that Evict removed, or would. It is a plain value.
type Victim struct {
	Entry Entry `json:"entry"` // as it was last read
	// Risk says why the connection may break, "" where it should go on; see Settings.Risk.
	Risk string `json:"risk,omitempty"`
}

// Evict removes the connections that m matches and returns those that it removed; with dry it only returns them, and with the Risk
// of each. Beware that the zero Match is every connection. A connection that ended meanwhile is no error and not returned. On an
// error the victims so far are returned beside it; see EvictEntries.
//
// Where the kernel's own filter says what m does (family, mark, paths and status, Linux 5.15, one zone, Linux 6.8), many connections go
// in one call. That takes those that match at that moment: some that came to match since they were read, which are not returned, and not
// those that ceased to, which are. Else each goes by a call of its own, and one that began anew under the same tuple stays.
//
// The next packet of an evicted flow begins a new connection, whichever side sends it. Where that is the server, conntrack takes the server
// for the side that began: Orig is the other way round, and Sent counts what the server sends. Accounts by ByInside stay right.
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
	if len(victims) > fewVictims && !(m.dividesUntagged() && (w.cfg.LosesTags || slices.Contains(m.Paths, Unknown))) { // to a Source Unknown may be Slow
		switch err := w.source.DeleteAll(ctx, m); {
		case err == nil:
			return victims, nil
		case !errors.Is(err, errors.ErrUnsupported):
			return nil, err
		}
	}
	return w.evict(ctx, victims)
}

// So few go one by one: that is exact.
const fewVictims = 16

// EvictEntries removes these connections, each by a call of its own, and returns those that it removed. A connection that began anew
// under the same tuple since it was read stays. One that ended meanwhile is no error; where the kernel says that there is none and shows it
// all the same, the error is a *StaysError. Which side begins what follows is said at Evict.
func (w *Watcher) EvictEntries(ctx context.Context, entries []Entry) ([]Entry, error) {
	var gone []Entry
	missed, all := map[Key]bool{}, Match{Status: Offload}
	if w.cfg.LosesTags {
		all = Match{}
	}
	for i := range entries {
		e := &entries[i]
		switch err := w.source.Delete(ctx, e.Key()); {
		case err == nil:
			gone = append(gone, *e)
		case errors.Is(err, fs.ErrNotExist):
			missed[e.Key()] = true
			all.Status &= e.Status
		default:
			return gone, fmt.Errorf("conntrack: evict %v: %w", e.Key(), err)
		}
	}
	stay, err := w.amongst(ctx, all, missed)
	if err == nil && len(stay) > 0 {
		err = &StaysError{Entries: stay}
	}
	return gone, err
}

// amongst are the connections of these keys that the table shows. It is read, not looked up in: a key by which nothing is deleted finds
// nothing. Where all of them were in the fast path, those alone are read that are: that is cheap.
func (w *Watcher) amongst(ctx context.Context, m Match, keys map[Key]bool) ([]Entry, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	var there []Entry
	for e, err := range w.Entries(ctx, m) {
		if err != nil {
			return nil, fmt.Errorf("conntrack: look whether what was evicted is gone: %w", err)
		}
		if keys[e.Key()] {
			delete(keys, e.Key()) // a dump may repeat it
			there = append(there, e)
		}
	}
	return there, nil
}

// A StaysError tells of connections that stay although they were to be evicted: asked to delete them the kernel says that it has none such, and
// lists them all the same. Safe for concurrent reading.
type StaysError struct{ Entries []Entry }

// So many are named.
const namedStaying = 3

func (e *StaysError) Error() string {
	var b strings.Builder
	for i := range e.Entries[:min(len(e.Entries), namedStaying)] {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(protocolText(e.Entries[i].Orig.Proto) + " " + e.Entries[i].Key().String())
	}
	if more := len(e.Entries) - namedStaying; more > 0 {
		fmt.Fprintf(&b, "; and %d more", more)
	}
	return fmt.Sprintf("conntrack: still there, the kernel says that it has none such to delete: %s; next: `conntrack -D` with these addresses, ports and zones", b.String())
}

func protocolText(proto uint8) string {
	return cmp.Or(ProtocolName(proto), "protocol "+strconv.Itoa(int(proto)))
}

func (w *Watcher) evict(ctx context.Context, victims []Victim) ([]Victim, error) {
	entries := make([]Entry, len(victims))
	risks := make(map[Key]string, len(victims))
	for i := range victims {
		entries[i] = victims[i].Entry
		risks[entries[i].Key()] = victims[i].Risk
	}
	removed, err := w.EvictEntries(ctx, entries)
	gone := make([]Victim, len(removed))
	for i := range removed {
		gone[i] = Victim{Entry: removed[i], Risk: risks[removed[i].Key()]}
	}
	if len(gone) == 0 {
		gone = nil
	}
	return gone, err
}
