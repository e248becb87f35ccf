package offloadtest

import (
	"context"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strconv"

	"github.com/go-fastpath/fastpath/conntrack"
)

// A source is a Kernel's connections.
type source struct{ k *Kernel }

// Dump yields the connections that m matches, as they were when it began.
func (s source) Dump(ctx context.Context, m conntrack.Match) iter.Seq2[conntrack.Entry, error] {
	return func(yield func(conntrack.Entry, error) bool) {
		s.k.mu.Lock()
		entries := slices.Clone(s.k.table.entries)
		s.k.table.tellUse(entries)
		s.k.mu.Unlock()
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				yield(conntrack.Entry{}, err)
				return
			}
			if m.Matches(&e.Entry) && !yield(e.Entry, nil) {
				return
			}
		}
	}
}

// Lookup reads one connection by tuple and zone.
func (s source) Lookup(ctx context.Context, key conntrack.Key) (conntrack.Entry, error) {
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	if i := s.k.table.find(key); i >= 0 {
		found := []connection{s.k.table.entries[i]}
		s.k.table.tellUse(found)
		return found[0].Entry, ctx.Err()
	}
	return conntrack.Entry{}, fmt.Errorf("look up %v: %w", key, fs.ErrNotExist)
}

// Delete removes one connection of that tuple, zone and ID. An ID of 0 is another's, too.
func (s source) Delete(ctx context.Context, key conntrack.Key) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	if i := s.k.table.find(key); i < 0 || s.k.table.entries[i].ID != key.ID {
		return fmt.Errorf("delete %v: %w", key, fs.ErrNotExist)
	}
	s.k.table.end(key)
	return nil
}

// DeleteAll removes what m matches.
func (s source) DeleteAll(ctx context.Context, m conntrack.Match) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	for _, e := range slices.Clone(s.k.table.entries) {
		if m.Matches(&e.Entry) {
			s.k.table.end(e.Key())
		}
	}
	return nil
}

// Settings are those of the sysctls; one that is not set is 0.
func (s source) Settings(ctx context.Context) (conntrack.Settings, error) {
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	number := func(key string) int {
		n, _ := strconv.Atoi(s.k.sysctls[key])
		return n
	}
	return conntrack.Settings{
		Accounting: number(accounting) != 0, Events: number(events), Timestamps: number(timestamps) != 0, TCPLoose: number(tcpLoose) != 0,
		Count: len(s.k.table.entries),
	}, ctx.Err()
}

// Close does nothing, as Kernel.Close.
func (s source) Close() error { return nil }
