//go:build linux

package main

import (
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"time"

	"github.com/go-fastpath/fastpath/conntrack"
)

// A table prints the demo's connections as they change: a row when one is first seen, and one for every change of its path.
// What it prints is plain lines, for terminals and logs alike.
type table struct {
	out   io.Writer
	start time.Time
	rows  map[conntrack.Tuple]*row
}

type row struct {
	want conntrack.Path
	seen bool
	path conntrack.Path
}

const tableFormat = "%5s  %-5s  %-45s  %-43s  %-8s  %7s  %8s\n"

func newTable(out io.Writer, connections connections) *table {
	t := &table{out: out, start: time.Now(), rows: map[conntrack.Tuple]*row{}}
	for _, c := range connections {
		t.rows[c.tuple()] = &row{want: c.want}
	}
	fmt.Fprintf(out, tableFormat, "time", "proto", "original", "translated by NAT", "path", "packets", "bytes")
	return t
}

// show prints the entry if its path is news. Connections that are not the demo's own are left out.
func (t *table) show(entry conntrack.Entry) {
	r, ours := t.rows[entry.Orig]
	if !ours || r.seen && r.path == entry.Path() {
		return
	}
	r.seen, r.path = true, entry.Path()
	packets, bytes := totals(entry)
	fmt.Fprintf(t.out, tableFormat, fmt.Sprintf("%.1fs", time.Since(t.start).Seconds()), conntrack.ProtocolName(entry.Orig.Proto),
		arrow(entry.Orig.Src, entry.Orig.Dst), translation(entry), entry.Path(), packets, bytes)
}

// settled reports whether every connection is on the path that was declared for it.
func (t *table) settled() bool {
	for _, r := range t.rows {
		if !r.seen || r.path != r.want {
			return false
		}
	}
	return true
}

// translation is what NAT makes of the original tuple.
func translation(entry conntrack.Entry) string {
	source, snat := entry.SNAT()
	destination, dnat := entry.DNAT()
	if !snat && !dnat {
		return "-"
	}
	return arrow(source, destination)
}

func arrow(from, to netip.AddrPort) string { return fmt.Sprintf("%v > %v", from, to) }

// totals are what both directions counted.
func totals(entry conntrack.Entry) (packets, bytes string) {
	if !entry.Sent.OK || !entry.Received.OK {
		return "-", "-"
	}
	return strconv.FormatUint(entry.Sent.Packets+entry.Received.Packets, 10),
		strconv.FormatUint(entry.Sent.Bytes+entry.Received.Bytes, 10)
}
