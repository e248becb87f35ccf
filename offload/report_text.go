package offload

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/flowtable"
)

// String is the report as a table, one row a line, and the total. It has a column of flowtables where one is known.
func (r *Report) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	attributed := slices.ContainsFunc(r.Rows, func(row ReportRow) bool { return row.Flowtable != "" })
	first := func(path, flowtable string) string {
		if attributed {
			return path + "\t" + flowtable
		}
		return path
	}
	fmt.Fprintln(w, first("PATH", "FLOWTABLE")+"\tPROTOCOL\tFAMILY\tFLOWS\tCOUNTED\tPACKETS\tBYTES")
	for _, row := range r.Rows {
		protocol := cmp.Or(conntrack.ProtocolName(row.Protocol), strconv.Itoa(int(row.Protocol)))
		row.write(w, first(row.Path.String(), cmp.Or(row.Flowtable, "-")), protocol, familyName(row.Family))
	}
	r.Total.write(w, first("total", ""), "", "")
	w.Flush()
	for _, h := range r.Half {
		fmt.Fprintf(&b, "Of %d offloaded flows the packets from %s take the slow path: no flowtable lists %s.\n",
			h.Flows, flowtable.Spelled(h.Device), h.unlisted())
	}
	if r.Unknown > 0 {
		fmt.Fprintf(&b, "Of %d connections the path is unknown: this kernel can take [OFFLOAD] from a flow that stays in its flowtable.\n", r.Unknown)
	}
	switch {
	case r.AccountingUnknown:
		b.WriteString("Whether new connections have counters is not known: net.netfilter.nf_conntrack_acct cannot be read here.\n")
	case !r.Accounting:
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

// unlisted names the device and what is below it.
func (h *Half) unlisted() string {
	below := slices.DeleteFunc(slices.Clone(h.Lower), func(d string) bool { return d == h.Device })
	if len(below) == 0 {
		return "it"
	}
	for i := range below {
		below[i] = flowtable.Spelled(below[i])
	}
	return "it or " + strings.Join(below, ", ") + " under it"
}
