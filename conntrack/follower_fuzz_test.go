package conntrack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A liar is a Source that says anything: entries that the match excludes, of keys that come twice in one dump, lookups that answer with another
// connection, notifications of what never was and of ends before beginnings, counters that jump, lists of helpers, counts below zero. What it says
// is written in text, byte by byte; when that is at its end, so is the stream.
type liar struct {
	text []byte
	asks func() // asks for a reading
}

func (l *liar) next() (b byte) {
	if len(l.text) > 0 {
		b, l.text = l.text[0], l.text[1:]
	}
	return b
}

// entry is one of 16 connections in one of four incarnations, in any state.
func (l *liar) entry() Entry {
	who, how := l.next(), l.next()
	packets := uint64(l.next())
	if how&0x80 != 0 {
		packets += 1 << 33
	}
	e := flowNumber(int(who&15), [...]Status{0, slow, software, hardware, slow | HWOffload, software | Dying}[who>>4%6], packets)
	e.ID += uint32(how&3) * 1000
	e.Mark, e.Orig.Zone = uint32(how>>2&3), uint16(how>>4&1)
	if how&0x20 != 0 {
		e = e.uncounted()
	}
	if how&0x40 != 0 {
		e.Helper, e.Start = fmt.Sprint("helper", packets%5), time.Unix(0, int64(packets))
	}
	return e
}

func (l *liar) Dump(context.Context, Match) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for n := l.next() % 24; n > 0 && len(l.text) > 0; n-- {
			if !yield(l.entry(), nil) {
				return
			}
		}
	}
}

func (l *liar) Lookup(_ context.Context, k Key) (Entry, error) {
	e := l.entry()
	switch l.next() % 4 {
	case 0:
		e.ID, e.Zone, e.Orig = k.ID, k.Zone, k.Orig
	case 1:
		return e, nil // another one
	}
	if e.Key() == k {
		return e, nil
	}
	return Entry{}, fs.ErrNotExist
}

func (l *liar) Notifications(_ context.Context, wait time.Duration) iter.Seq2[Notification, error] {
	return func(yield func(Notification, error) bool) {
		for n := l.next() % 8; n > 0 && len(l.text) > 0; n-- {
			kind := l.next() % 16
			note, err := Notification{Kind: NotificationKind(kind % 5)}, error(nil)
			switch kind {
			case 15:
				err = ErrOverrun
			case 14:
				l.asks()
				fallthrough
			default:
				note.Entry = l.entry()
			}
			if !yield(note, err) {
				return
			}
		}
		if wait > 0 && len(l.text) == 0 {
			yield(Notification{}, errScriptEnd)
		}
	}
}

func (l *liar) Settings(context.Context) (Settings, error) {
	return Settings{Count: int(int8(l.next()))}, nil
}

func (l *liar) Delete(context.Context, Key) error                      { return errors.ErrUnsupported }
func (l *liar) DeleteAll(context.Context, Match) error                 { return errors.ErrUnsupported }
func (l *liar) Subscribe(context.Context, Match) (Subscription, error) { return l, nil }
func (l *liar) Close() error                                           { return nil }

// Whatever a Source says, a stream does not contradict itself, follows no more than it may and only what matches, and keeps its books.
func FuzzFollower(f *testing.F) {
	for _, m := range []byte{0, 1, 2} {
		f.Add(m, []byte("\x03\x11\x00\x05\x12\x00\x05\x13\x00\x05\x02\x03\x11\x00\x09\x0f\x00\x01\x02\x11\x20\x07\x0e\x12\x00\x09\x04\x00\x00\x00"))
		f.Add(m, []byte("\x17000000000000000000000000000000000000000000000000000000000000000000000000\x00\x06\x0f\x02000\x02100\x0e200\x00\x00\x00\x00\x00"))
	}
	matches := []Match{{}, {Paths: []Path{Software, Hardware}}, {Mark: 1, Mask: 1, Zones: []uint16{0}}}
	f.Fuzz(func(t *testing.T, which byte, text []byte) {
		if len(text) > 4096 {
			return
		}
		m, told := matches[int(which)%len(matches)], newMirror()
		l := &liar{text: text}
		w, err := Open(t.Context(), &Config{Source: l, MaxFlows: 9})
		require.NoError(t, err)
		w.limits, l.asks = tinyLimits(), w.ReadNow
		follower := w.follow(t.Context(), m, nil)
		follower.yield = func(c Change, err error) bool {
			require.NoError(t, err)
			require.NoError(t, told.apply(c))
			require.LessOrEqual(t, follower.flows.count, 9)
			require.False(t, c.Kind == New && m.Mask != 0 && !m.Matches(&c.Entry), "New that does not match: %v", c)
			return true
		}
		require.ErrorIs(t, follower.run(), errScriptEnd)
		require.Len(t, told.live, follower.flows.count)
		parked, absent := 0, 0
		for _, fl := range follower.flows.from(0) {
			k := fl.key.key()
			last := told.live[k]
			require.Equal(t, last.Path(), fl.path(), "%v", k)
			if fl.is(flowParked) {
				parked++
			}
			if fl.is(flowAbsent) {
				absent++
			}
		}
		require.Equal(t, []int{parked, absent}, []int{follower.parked, follower.absent}, "the books of parked and absent flows")
		require.LessOrEqual(t, follower.read, follower.flows.count)
		require.GreaterOrEqual(t, follower.read, 0)
	})
}
