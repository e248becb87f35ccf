package main

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"strconv"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/flowtable"
)

const columns = "%-6s %-49s %-49s %-8s %-12s %10s %14s\n"

// tableWriter prints the head and then a line for each entry. The columns have a fixed width, so that a long table streams.
func tableWriter(out io.Writer) func(conntrack.Entry) error {
	fmt.Fprintf(out, columns, "PROTO", "ORIGINAL", "TRANSLATED TO", "PATH", "FLOWTABLE", "PACKETS", "BYTES")
	return func(entry conntrack.Entry) error {
		packets, bytes := totals(entry)
		_, err := fmt.Fprintf(out, columns, protocol(entry), arrow(entry.Orig.Src, entry.Orig.Dst),
			translation(entry), entry.Path(), flowtable.Spelled(orDash(entry.Flowtable)), packets, bytes)
		return err
	}
}

// protocol is the name of a connection's protocol, or its number.
func protocol(entry conntrack.Entry) string {
	return cmp.Or(conntrack.ProtocolName(entry.Orig.Proto), strconv.Itoa(int(entry.Orig.Proto)))
}

// orDash is a text, and "-" where it is unknown.
func orDash(text string) string { return cmp.Or(text, "-") }

// translation is what NAT makes of the original tuple; "-" is no NAT.
func translation(entry conntrack.Entry) string {
	source, snat := entry.SNAT()
	destination, dnat := entry.DNAT()
	if !snat && !dnat {
		return "-"
	}
	return arrow(source, destination)
}

// arrow is like "192.168.1.2:40000 > 203.0.113.2:80"; protocols without ports have none.
func arrow(from, to netip.AddrPort) string {
	if from.Port() == 0 && to.Port() == 0 {
		return fmt.Sprintf("%v > %v", from.Addr(), to.Addr())
	}
	return fmt.Sprintf("%v > %v", from, to)
}

// totals are the packets and bytes of both directions; "-" is unknown, because accounting was off.
func totals(entry conntrack.Entry) (packets, bytes string) {
	if !entry.Sent.OK || !entry.Received.OK {
		return "-", "-"
	}
	return strconv.FormatUint(entry.Sent.Packets+entry.Received.Packets, 10),
		strconv.FormatUint(entry.Sent.Bytes+entry.Received.Bytes, 10)
}
