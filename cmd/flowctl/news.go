package main

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
)

// tellChanges prints what is new in each status, one line for each piece of news.
func tellChanges(out io.Writer) func(*offload.Status) error {
	last := &offload.Status{}
	return func(s *offload.Status) error {
		defer func() { last = s }()
		for _, line := range news(last, s) {
			if _, err := fmt.Fprintln(out, line); err != nil {
				return err
			}
		}
		return nil
	}
}

// news are the differences between two statuses, in words.
func news(before, now *offload.Status) []string {
	var lines []string
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for _, d := range deviceNews(before.Devices, now.Devices) {
		say("%s", d)
	}
	for _, f := range now.Flowtables {
		if !slices.ContainsFunc(before.Flowtables, func(b offload.FlowtableStatus) bool {
			b.Cause = f.Cause // the words say it
			return b == f
		}) {
			say("%s", describeFlowtable(f))
		}
	}
	for _, list := range []struct {
		what        string
		before, now []string
	}{{"changed by others", before.Drift, now.Drift}, {"they may be", before.DriftBy, now.DriftBy}, {"to be done", before.Pending, now.Pending}, {"warning", before.Warnings, now.Warnings}} {
		for _, text := range list.now {
			if !slices.Contains(list.before, text) {
				say("%s: %s", list.what, text)
			}
		}
	}
	for _, f := range now.Stale {
		if !slices.ContainsFunc(before.Stale, func(b offload.StaleFlow) bool { return b.Entry.Key() == f.Entry.Key() && b.Why == f.Why }) {
			say("stale flow %v: %s", f.Entry.Key(), f.Why)
		}
	}
	if now.Err != "" && now.Err != before.Err {
		say("error: %s", now.Err)
	}
	if now.Phase != before.Phase || len(lines) > 0 || now.Changes != before.Changes {
		say("%s, generation %d, %s%s", now.Phase, now.Generation, count(int(now.Changes), "commit"), again(now.Retry))
	}
	return lines
}

// deviceNews are the devices that came to another state, and those that nothing is said of any more.
func deviceNews(before, now []offload.DeviceStatus) []string {
	var lines []string
	for _, d := range now {
		i := slices.IndexFunc(before, func(b offload.DeviceStatus) bool { return sameDevice(b.Binding, d.Binding) })
		if i < 0 || before[i].State != d.State || before[i].Hardware != d.Hardware || before[i].Why != d.Why {
			lines = append(lines, describe(d.Binding))
		}
	}
	for _, b := range before {
		if !slices.ContainsFunc(now, func(d offload.DeviceStatus) bool { return sameDevice(b.Binding, d.Binding) }) {
			lines = append(lines, fmt.Sprintf("flowtable %s, device %s: not wanted any more", b.Flowtable, flowtable.Spelled(b.Device)))
		}
	}
	return lines
}

func sameDevice(a, b flowtable.Binding) bool {
	return a.Flowtable == b.Flowtable && a.Device == b.Device
}

func describeFlowtable(f offload.FlowtableStatus) string {
	text := fmt.Sprintf("flowtable %s (%s %s):", f.Name, f.Family, f.Table)
	if f.Handle == 0 {
		text += " not in the kernel"
	} else {
		text += fmt.Sprintf(" handle %d", f.Handle)
	}
	if f.Hardware != "" {
		text += ", hardware " + f.Hardware
	}
	if f.Failed != "" {
		text += ", without its devices: " + f.Failed
	}
	return text
}

// again is when it is tried again, if it is.
func again(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return ", again at " + at.Local().Format(time.TimeOnly)
}
