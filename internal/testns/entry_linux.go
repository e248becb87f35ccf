package testns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Tags that the conntrack tool prints behind an entry. It prints one only: HW_OFFLOAD hides OFFLOAD, which hides ASSURED.
const (
	TagAssured   = "ASSURED"
	TagOffload   = "OFFLOAD"
	TagHWOffload = "HW_OFFLOAD"
)

// ErrNoEntry says that conntrack has no entry for a tuple.
var ErrNoEntry = errors.New("testns: no conntrack entry")

// A Counter counts packets and their bytes, IP header included. It is a plain value.
type Counter struct{ Packets, Bytes uint64 }

// Sub is what was counted since before.
func (c Counter) Sub(before Counter) Counter {
	return Counter{Packets: c.Packets - before.Packets, Bytes: c.Bytes - before.Bytes}
}

// An EntrySide is one direction of a conntrack entry: its packets' addresses and how many there were. Counted is false when the
// entry has no counters. It is a plain value.
type EntrySide struct {
	Source, Destination netip.AddrPort
	Counter
	Counted bool
}

// An Entry is one connection as the conntrack tool prints it: an oracle that shares no code with ours. It is a plain value.
type Entry struct {
	ID              uint32
	Protocol        string // "tcp", "udp"
	State           string // TCP, while not offloaded: "ESTABLISHED"
	Timeout         int    // seconds left, when HasTimeout; offloaded entries have none
	HasTimeout      bool
	Original, Reply EntrySide
	Tag             string // "", TagAssured, TagOffload or TagHWOffload
	Unreplied       bool
	Mark            uint32
	Text            string // the line itself
}

// Offloaded reports whether the entry is tagged OFFLOAD or HW_OFFLOAD: a claim, not a proof.
func (e Entry) Offloaded() bool { return e.Tag == TagOffload || e.Tag == TagHWOffload }

// Conntrack finds the entry whose original tuple is t in a namespace, with the conntrack tool. Without one the error matches
// ErrNoEntry.
func Conntrack(ctx context.Context, ns *Namespace, t Tuple) (Entry, error) {
	args := []string{"-L", "-o", "id,extended", "-f", t.Family().String(), "-p", t.Network,
		"--orig-src", t.Source.Addr().String(), "--orig-dst", t.Destination.Addr().String(),
		"--orig-port-src", strconv.Itoa(int(t.Source.Port())), "--orig-port-dst", strconv.Itoa(int(t.Destination.Port()))}
	out, err := ns.Run(ctx, "", "conntrack", args...)
	if err != nil {
		return Entry{}, err
	}
	entries, err := ParseEntries(out)
	if err != nil {
		return Entry{}, err
	}
	for _, e := range entries {
		if e.Original.Source == t.Source && e.Original.Destination == t.Destination {
			return e, nil
		}
	}
	return Entry{}, fmt.Errorf("%w of %v in namespace %s", ErrNoEntry, t, ns)
}

// ConntrackAll lists all entries of both families in a namespace, with the conntrack tool.
func ConntrackAll(ctx context.Context, ns *Namespace) ([]Entry, error) {
	var all []Entry
	for _, fam := range Families() {
		out, err := ns.Run(ctx, "", "conntrack", "-L", "-o", "id,extended", "-f", fam.String())
		if err != nil {
			return nil, err
		}
		entries, err := ParseEntries(out)
		if err != nil {
			return nil, err
		}
		all = append(all, entries...)
	}
	return all, nil
}

// ParseEntries reads what `conntrack -L -o id,extended` prints. Words it does not know are skipped.
func ParseEntries(text string) ([]Entry, error) {
	var entries []Entry
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		e, err := parseEntry(line)
		if err != nil {
			return nil, fmt.Errorf("testns: conntrack line %q: %w", line, err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// parseEntry reads one line: family, number, protocol, number, then timeout and state unless offloaded, then key=value and [TAG].
func parseEntry(line string) (Entry, error) {
	words := strings.Fields(line)
	if len(words) < 5 || !strings.HasPrefix(words[0], "ipv") {
		return Entry{}, errors.New("want family, number, protocol, number and more")
	}
	e := Entry{Protocol: words[2], Text: line}
	sides := []*EntrySide{&e.Original, &e.Reply}
	side := -1
	var errs []error
	for _, w := range words[4:] {
		key, value, isPair := strings.Cut(w, "=")
		switch {
		case strings.HasPrefix(w, "["):
			e.tag(strings.Trim(w, "[]"))
		case !isPair && side < 0:
			e.timeoutOrState(w)
		case key == "src":
			side++
			fallthrough
		default:
			if isPair && side >= 0 && side < len(sides) {
				errs = append(errs, e.pair(sides[side], key, value))
			}
		}
	}
	if side != 1 {
		errs = append(errs, fmt.Errorf("%d directions, want 2", side+1))
	}
	return e, errors.Join(errs...)
}

func (e *Entry) tag(tag string) {
	switch tag {
	case "UNREPLIED":
		e.Unreplied = true
	case TagAssured, TagOffload, TagHWOffload:
		e.Tag = tag
	}
}

func (e *Entry) timeoutOrState(word string) {
	if seconds, err := strconv.Atoi(word); err == nil {
		e.Timeout, e.HasTimeout = seconds, true
		return
	}
	e.State = word
}

// pair reads one key=value; the tool prints it for the direction that began last, or for the whole entry.
func (e *Entry) pair(side *EntrySide, key, value string) error {
	switch key {
	case "src", "dst":
		addr, err := netip.ParseAddr(value)
		if err != nil {
			return err
		}
		which := &side.Source
		if key == "dst" {
			which = &side.Destination
		}
		*which = netip.AddrPortFrom(addr, which.Port())
		return nil
	case "sport", "dport", "packets", "bytes", "mark", "id":
	default:
		return nil
	}
	number, err := strconv.ParseUint(value, 10, 64)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	switch key {
	case "sport":
		side.Source = netip.AddrPortFrom(side.Source.Addr(), uint16(number))
	case "dport":
		side.Destination = netip.AddrPortFrom(side.Destination.Addr(), uint16(number))
	case "packets":
		side.Packets, side.Counted = number, true
	case "bytes":
		side.Bytes = number
	case "mark":
		e.Mark = uint32(number)
	case "id":
		e.ID = uint32(number)
	}
	return nil
}
