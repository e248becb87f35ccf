package offload

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/go-fastpath/fastpath/conntrack"
)

// String is the report as a table, one row a line, and the total.
func (r *Report) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PATH\tPROTOCOL\tFAMILY\tFLOWS\tCOUNTED\tPACKETS\tBYTES")
	for _, row := range r.Rows {
		row.write(w, row.Path.String(), protocolName(row.Protocol), familyName(row.Family))
	}
	r.Total.write(w, "total", "", "")
	w.Flush()
	if !r.Accounting {
		b.WriteString("New connections have no counters: set net.netfilter.nf_conntrack_acct=1.\n")
	}
	return b.String()
}

func (s Sum) write(w *tabwriter.Writer, path, protocol, family string) {
	fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%d\n", path, protocol, family, s.Flows, s.Counted, s.Packets, s.Bytes)
}

func familyName(f conntrack.Family) string {
	switch f {
	case conntrack.IPv4:
		return "ipv4"
	case conntrack.IPv6:
		return "ipv6"
	}
	return strconv.Itoa(int(f))
}

// protocolName is the name in /etc/protocols of those that the kernel tracks by name.
func protocolName(p uint8) string {
	switch p {
	case conntrack.ICMP:
		return "icmp"
	case conntrack.TCP:
		return "tcp"
	case conntrack.UDP:
		return "udp"
	case conntrack.DCCP:
		return "dccp"
	case conntrack.GRE:
		return "gre"
	case conntrack.ICMPv6:
		return "icmpv6"
	case conntrack.SCTP:
		return "sctp"
	case conntrack.UDPLite:
		return "udplite"
	}
	return strconv.Itoa(int(p))
}
