package conntrack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/netip"
	"slices"
	"time"
)

// errScriptEnd ends the stream of a script that has no more steps.
var errScriptEnd = errors.New("end of script")

// A script is a Source that plays: each wait of the watcher takes one step, which changes the table and queues
// notifications. Hooks put changes between the entries of a dump or before a lookup.
type script struct {
	table   []Entry
	queue   []any // Notification or error
	steps   []func(*script)
	inDump  func(s *script, after Entry) // after each entry of a dump
	inLook  func(s *script)
	lookups int
	dumps   []Match
	limits  limits // of who plays it; zero is the usual ones
}

// tinyLimits are reached with ten flows.
func tinyLimits() limits {
	return limits{chunk: 2, keepChunks: 2, manyLookups: 3, rotation: 2, doubts: 2, grace: time.Millisecond}
}

func (s *script) Dump(_ context.Context, m Match) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		s.dumps = append(s.dumps, m)
		for _, e := range append([]Entry(nil), s.table...) {
			now, err := s.find(e.Key())
			if err != nil {
				continue // ended while the dump was under way
			}
			if m.Matches(&now) && !yield(now, nil) {
				return
			}
			if s.inDump != nil {
				s.inDump(s, e)
			}
		}
	}
}

func (s *script) find(k Key) (Entry, error) {
	for _, e := range s.table {
		if now := e.Key(); now.Orig == k.Orig && now.Zone == k.Zone {
			return e, nil
		}
	}
	return Entry{}, fmt.Errorf("look up %v: %w", k.Orig, fs.ErrNotExist)
}

func (s *script) Lookup(_ context.Context, k Key) (Entry, error) {
	s.lookups++
	if s.inLook != nil {
		s.inLook(s)
	}
	return s.find(k)
}

func (s *script) Delete(_ context.Context, k Key) error {
	e, err := s.find(k)
	if err == nil {
		s.destroy(e)
	}
	return err
}

func (s *script) DeleteAll(context.Context, Match) error { return errors.ErrUnsupported }

func (s *script) Subscribe(context.Context, Match) (Subscription, error) { return s, nil }
func (s *script) Settings(context.Context) (Settings, error) {
	return Settings{Count: len(s.table)}, nil
}
func (s *script) Close() error { return nil }

func (s *script) Notifications(_ context.Context, wait time.Duration) iter.Seq2[Notification, error] {
	return func(yield func(Notification, error) bool) {
		if wait > 0 {
			if len(s.steps) == 0 {
				yield(Notification{}, errScriptEnd)
				return
			}
			step := s.steps[0]
			s.steps = s.steps[1:]
			step(s)
		}
		for len(s.queue) > 0 {
			next := s.queue[0]
			s.queue = s.queue[1:]
			n, _ := next.(Notification)
			err, _ := next.(error)
			if !yield(n, err) {
				return
			}
		}
	}
}

// set puts an entry into the table without a word, as the kernel does with offload bits and counters.
func (s *script) set(e Entry) {
	for i := range s.table {
		if s.table[i].Key() == e.Key() {
			s.table[i] = e
			return
		}
	}
	s.table = append(s.table, e)
}

func (s *script) create(e Entry) {
	s.set(e)
	s.notify(NotifyNew, e.uncounted())
}

func (s *script) update(e Entry) {
	s.set(e)
	s.notify(NotifyUpdate, e.uncounted())
}

func (s *script) destroy(e Entry) {
	s.notify(NotifyDestroy, e)
	s.vanish(e)
}

func (s *script) vanish(e Entry) {
	for i := range s.table {
		if s.table[i].Key() == e.Key() {
			s.table = append(s.table[:i], s.table[i+1:]...)
			return
		}
	}
}

func (s *script) notify(kind NotificationKind, e Entry) {
	s.queue = append(s.queue, Notification{kind, e})
}

// play runs the script to its end and returns what Changes told, but for Synced.
func (s *script) play(m Match) ([]Change, error) {
	got, err := s.playAll(Config{}, m)
	return slices.DeleteFunc(got, func(c Change) bool { return c.Kind == Synced }), err
}

// playAll runs the script to its end and returns what Changes told.
func (s *script) playAll(cfg Config, m Match) ([]Change, error) {
	cfg.Source = s
	w, err := Open(context.Background(), &cfg)
	if err != nil {
		return nil, err
	}
	if s.limits != (limits{}) {
		w.limits = s.limits
	}
	var got []Change
	for c, err := range w.Changes(context.Background(), m) {
		if errors.Is(err, errScriptEnd) {
			return got, nil
		}
		if err != nil {
			return got, err
		}
		got = append(got, c)
	}
	return got, errors.New("the stream ended without an error")
}

// flowNumber makes the n-th UDP connection of a test, with counters.
func flowNumber(n int, status Status, packets uint64) Entry {
	src := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), 1024)
	dst := netip.MustParseAddrPort("192.0.2.1:53")
	return Entry{
		ID: uint32(1000 + n), Status: status,
		Orig:  Tuple{Src: src, Dst: dst, Proto: UDP},
		Reply: Tuple{Src: dst, Dst: src, Proto: UDP},
		Sent:  Counters{packets, packets * 100, true}, Received: Counters{packets / 2, packets * 30, true},
	}
}

// brief renders changes for comparison: what, which flow, which path, how many packets sent since.
func brief(changes []Change) []string {
	var out []string
	for _, c := range changes {
		if !c.Kind.ofOne() {
			out = append(out, c.Kind.String())
			continue
		}
		line := fmt.Sprintf("%v #%d ", c.Kind, c.Entry.ID-1000)
		if c.Kind == PathChanged {
			line += c.From.String() + "->"
		}
		line += fmt.Sprintf("%v +%d", c.Entry.Path(), c.Delta.Sent.Packets)
		if c.Lost {
			line += " lost"
		}
		out = append(out, line)
	}
	return out
}
