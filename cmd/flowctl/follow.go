package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/flowtable"
)

// follow prints the connections that there are and then what happens to them, one change a line, until it is interrupted: that is no failure.
// A second interrupt ends the process as the system does.
func follow(ctx context.Context, to io.Writer, watcher *conntrack.Watcher, match conntrack.Match, asJSON bool) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)()
	out := newSteadyWriter(to)
	var tell func(conntrack.Change) error
	if asJSON {
		encoder := newEncoder(out)
		tell = func(c conntrack.Change) error { return encoder.Encode(c) }
	} else {
		tell = changeWriter(out, time.Now)
	}
	for c, err := range watcher.Changes(ctx, match) {
		if err == nil {
			err = tell(c)
		}
		if err != nil {
			return errors.Join(withoutCancel(err), out.Close())
		}
	}
	return out.Close()
}

const changeColumns = "%-12s %-12s %-20s %-6s %-49s %10s %14s %s\n"

// changeWriter prints the head and then a line for each change, with the time at which it happened where the kernel tells it, and else at which it
// was told.
func changeWriter(out io.Writer, now func() time.Time) func(conntrack.Change) error {
	fmt.Fprintf(out, changeColumns, "TIME", "KIND", "PATH", "PROTO", "ORIGINAL", "PACKETS", "BYTES", "FLOWTABLE")
	return func(c conntrack.Change) error {
		when := now()
		if happened := c.At(); !happened.IsZero() {
			when = happened.In(when.Location())
		}
		at := when.Format("15:04:05.000")
		if text := aboutAll(c.Kind); text != "" {
			_, err := fmt.Fprintf(out, "%-12s %-12s %s\n", at, c.Kind, text)
			return err
		}
		path := c.Entry.Path().String()
		if c.Kind == conntrack.PathChanged {
			path = c.From.String() + " -> " + path
		}
		packets, bytes := gained(c.Delta)
		last := flowtable.Spelled(orDash(c.Entry.Flowtable))
		if c.Lost {
			last += "  the kernel's last word was missed"
		}
		_, err := fmt.Fprintf(out, changeColumns, at, c.Kind, path, protocol(c.Entry), arrow(c.Entry.Orig.Src, c.Entry.Orig.Dst), packets, bytes, last)
		return err
	}
}

// aboutAll says what a change means that is about no single connection; "" of others.
func aboutAll(kind conntrack.Kind) string {
	switch kind {
	case conntrack.Overrun:
		return "the kernel dropped notifications; the table is read again, and what began and ended meanwhile was missed"
	case conntrack.Synced:
		return "this is the whole table so far"
	case conntrack.Full:
		return "too many connections to follow: others that match are left out until some end; narrow it by filters"
	case conntrack.Read:
		return "this was a reading of the whole table that was asked for"
	}
	return ""
}

// gained is what both directions counted; "-" is unknown.
func gained(d conntrack.Delta) (packets, bytes string) {
	if !d.Sent.OK && !d.Received.OK {
		return "-", "-"
	}
	return "+" + strconv.FormatUint(d.Sent.Packets+d.Received.Packets, 10), "+" + strconv.FormatUint(d.Sent.Bytes+d.Received.Bytes, 10)
}
