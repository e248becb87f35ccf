package offload

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/go-fastpath/fastpath/flowtable"
)

// String is the Status for a terminal: a line, then a table of the devices, then what is to be said.
func (s *Status) String() string {
	var b strings.Builder
	since := clock(s.Since)
	if s.Phase == PhaseOff && s.Off.Since != "" {
		since = s.Off.Since // not when it was looked at first
	}
	fmt.Fprintf(&b, "%s: %s since %s, generation %d, %d changes", s.Owner, s.Phase, since, s.Generation, s.Changes)
	if !s.Retry.IsZero() {
		fmt.Fprintf(&b, ", next try at %s", clock(s.Retry))
	}
	b.WriteByte('\n')
	if s.Err != "" {
		fmt.Fprintf(&b, "error: %s\n", s.Err)
	}
	for _, f := range s.Flowtables {
		f.write(&b)
	}
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	if len(s.Devices) > 0 {
		fmt.Fprintln(w, "FLOWTABLE\tDEVICE\tSTATE\tSINCE\tWHY")
	}
	for _, d := range s.Devices {
		state := string(d.State)
		if d.Hardware {
			state += ", hardware"
		}
		state += d.Hook.text()
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", d.Flowtable, flowtable.Spelled(d.Device), state, clock(d.Since), d.Why)
	}
	w.Flush()
	for _, l := range s.LiveSets {
		l.write(&b)
	}
	list(&b, "hook", s.hooks())
	list(&b, "way", s.ways())
	list(&b, "changed by others", s.Drift)
	list(&b, "they may be", s.DriftBy)
	list(&b, "to be done", s.Pending)
	list(&b, "warning", s.Warnings)
	for _, f := range s.Stale {
		fmt.Fprintf(&b, "stale since %s: %v > %v: %s\n", clock(f.Since), f.Entry.Orig.Src, f.Entry.Orig.Dst, f.Why)
	}
	return b.String()
}

// hooks is how it is known which devices are hooked, without what is as it should be.
func (s *Status) hooks() []string {
	var lines []string
	for _, d := range s.Devices {
		if d.Hook != HookNotAsked && d.Hook != HookSeen && !slices.Contains(lines, d.HookWhy) {
			lines = append(lines, d.HookWhy)
		}
	}
	return lines
}

// ways are the traces of devices that were not named themselves.
func (s *Status) ways() []string {
	var ways []string
	for _, d := range s.Devices {
		for _, trace := range d.Trace {
			if strings.Contains(trace, " -> ") && !slices.Contains(ways, trace) {
				ways = append(ways, trace)
			}
		}
	}
	return ways
}

func (f *FlowtableStatus) write(b *strings.Builder) {
	fmt.Fprintf(b, "flowtable %s %s %s", f.Family, f.Table, f.Name)
	if f.Handle == 0 {
		b.WriteString(": not in the kernel")
	} else {
		fmt.Fprintf(b, ": handle %d", f.Handle)
	}
	if f.Hardware != "" {
		fmt.Fprintf(b, ", hardware %s", f.Hardware)
	}
	if f.Failed != "" {
		fmt.Fprintf(b, ", failed: %s", f.Failed)
	}
	b.WriteByte('\n')
}

func (l *LiveSetStatus) write(b *strings.Builder) {
	fmt.Fprintf(b, "live set %s %s %s: %d remembered", l.Family, l.Table, l.Set, l.Remembered)
	for _, part := range []struct {
		n    int
		text string
	}{
		{l.Missing, "of them not in the kernel"}, {l.Unremembered, "not remembered, because there are too many"}, {l.Removed, "deleted by others and forgotten"},
	} {
		if part.n > 0 {
			fmt.Fprintf(b, ", %d %s", part.n, part.text)
		}
	}
	if l.Anew > 0 {
		fmt.Fprintf(b, "; made anew %d times, last at %s: %d put back, %d of others lost", l.Anew, clock(l.At), l.PutBack, l.Lost)
	}
	b.WriteByte('\n')
}

func list(b *strings.Builder, title string, lines []string) {
	for _, line := range lines {
		fmt.Fprintf(b, "%s: %s\n", title, line)
	}
}

func clock(t time.Time) string { return t.Format("15:04:05.000") }
