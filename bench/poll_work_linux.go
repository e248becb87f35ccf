package main

import (
	"context"
	"errors"
	"iter"
	"time"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/conntrack"
)

// rawPollWork is the floor of reading what matches again and again.
func rawPollWork(ctx context.Context, t *task, _ func()) (r report, err error) {
	fd, err := dialRaw()
	if err != nil {
		return r, err
	}
	defer unix.Close(fd)
	buf := make([]byte, rawBuffer)
	cpu, start := processTime(), time.Now()
	for range t.Repeat {
		if r.Count, err = dumpRaw(fd, buf, t.Filter); err != nil || ctx.Err() != nil {
			return r, errors.Join(err, ctx.Err())
		}
	}
	r.CPU, r.Wall = (processTime()-cpu)/time.Duration(t.Repeat), time.Since(start)/time.Duration(t.Repeat)
	return t.complete(r, nil)
}

// pollWork is Changes that hardly pauses: the mean of one reading and of a pause of a millisecond.
func pollWork(ctx context.Context, t *task, _ func()) (report, error) {
	r, err := readings(ctx, t, &conntrack.Config{Poll: time.Millisecond, PollMost: time.Millisecond})
	r.CPU, r.Wall = r.CPU/time.Duration(t.Repeat), r.Wall/time.Duration(t.Repeat)
	return t.complete(r, err)
}

// intervalWork is Changes as it is by itself: readings and pauses together.
func intervalWork(ctx context.Context, t *task, _ func()) (report, error) {
	return t.complete(readings(ctx, t, nil))
}

// readings follows what matches, and measures from the beginning of the reading after the snapshot to that of the one Repeat
// readings later. Count is how many connections the snapshot had.
func readings(ctx context.Context, t *task, cfg *conntrack.Config) (r report, err error) {
	source, err := conntrack.OpenSource(ctx, cfg)
	if err != nil {
		return r, err
	}
	end, stop := context.WithCancel(ctx)
	defer stop()
	metered := &meteredSource{Source: source, want: t.Repeat + 2, full: stop}
	own := conntrack.Config{Source: metered}
	if cfg != nil {
		own.Poll, own.PollMost = cfg.Poll, cfg.PollMost
	}
	w, err := conntrack.Open(ctx, &own)
	if err != nil {
		return r, errors.Join(err, source.Close())
	}
	defer w.Close()
	for c, err := range w.Changes(end, t.Filter.match()) {
		switch {
		case err != nil && metered.want > len(metered.begun):
			return r, err
		case c.Kind == conntrack.New:
			r.Count++
		}
	}
	first, last := metered.begun[1], metered.begun[metered.want-1]
	r.CPU, r.Wall, r.Memory = last.cpu-first.cpu, last.wall.Sub(first.wall), goMemory()
	return r, nil
}

// A meteredSource is the kernel, and notes when each reading begins. With the last that is wanted it calls full.
type meteredSource struct {
	conntrack.Source
	begun []moment
	want  int
	full  func()
}

// A moment is a time on the clock and on the processors.
type moment struct {
	wall time.Time
	cpu  time.Duration
}

// Dump is the kernel's.
func (s *meteredSource) Dump(ctx context.Context, m conntrack.Match) iter.Seq2[conntrack.Entry, error] {
	if s.begun = append(s.begun, moment{time.Now(), processTime()}); len(s.begun) >= s.want {
		s.full()
	}
	return s.Source.Dump(ctx, m)
}
