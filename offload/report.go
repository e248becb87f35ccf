package offload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-fastpath/fastpath/conntrack"
)

// A Report says how many connections take which path, and what they carried. Safe for concurrent reading.
//
// Rows count what the status bits claim: after a device left a flowtable the bits stay while packets take the slow path, and up to
// Linux 7.1 a flow gets them though only one of its two devices is listed. Half tells such flows.
// Where the kernel can take the bits from a flow that stays in its flowtable (Linux 7.3), connections without a bit that may be there are
// rows of their own, with the path unknown.
// Nothing in the kernel names the flowtable of a connection but a bit that a rule sets: see Policy.Announce.
type Report struct {
	// Total is all rows together.
	Total Sum `json:"total"`
	// Rows are sorted by path, protocol, family and flowtable. Connections of no row are no row.
	Rows []ReportRow `json:"rows"`
	// Accounting is the namespace's setting nf_conntrack_acct: without it new connections have no counters.
	Accounting bool `json:"accounting"`
	// AccountingUnknown says that the setting could not be read: Accounting says nothing.
	AccountingUnknown bool `json:"accountingUnknown,omitempty"`
	// Half are the flows whose packets surely take the slow path in one direction, by the device that these come in by.
	Half []Half `json:"half,omitempty"`
	// Untold is the number of offloaded flows of which that cannot be told: their devices do not follow from the destination alone
	// (policy routing, several routes), or the Kernel of Config knows no routes.
	Untold uint64 `json:"untold,omitempty"`
	// Unknown is the number of connections whose path is conntrack.Unknown: nothing tells whether their packets meet the rules.
	Unknown uint64 `json:"unknown,omitempty"`
}

// A ReportRow sums up the connections of one path, protocol, address family and flowtable. It is a plain value.
type ReportRow struct {
	Path      conntrack.Path   `json:"path"`
	Protocol  uint8            `json:"protocol"` // IP protocol number
	Family    conntrack.Family `json:"family"`
	Flowtable string           `json:"flowtable,omitempty"` // as the connections' marks announce it; "" is unknown, or none
	Sum
}

// A Sum counts connections and what they carried. It is a plain value.
type Sum struct {
	Flows uint64 `json:"flows"`
	// Counted is the number of flows that have counters. Packets and Bytes are theirs alone, both directions together, of IP
	// packets since each connection began, whatever path they took.
	Counted uint64 `json:"counted"`
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// Report reads the connections once and folds them. The Watcher must look at the Manager's network namespace; one that Watch opened knows
// flowtables, where rules announce them, and which paths are unknown. Errors are those of Watcher.Entries and Watcher.Settings.
func (m *Manager) Report(ctx context.Context, w *conntrack.Watcher) (*Report, error) {
	if w == nil {
		return nil, errors.New("offload: report: no Watcher; open one with Manager.Watch")
	}
	settings, err := w.Settings(ctx)
	if err != nil {
		return nil, fmt.Errorf("offload: report: %w", err)
	}
	rows := map[ReportRow]*Sum{} // by path, protocol, family and flowtable
	var offloaded []ends
	var unknown uint64
	for e, err := range w.Entries(ctx, conntrack.Match{}) {
		if err != nil {
			return nil, fmt.Errorf("offload: report: %w", err)
		}
		key := ReportRow{Path: e.Path(), Protocol: e.Orig.Proto, Family: familyOf(e.Orig), Flowtable: e.Flowtable}
		sum := rows[key]
		if sum == nil {
			sum = &Sum{}
			rows[key] = sum
		}
		sum.count(&e)
		switch e.Path() {
		case conntrack.Software, conntrack.Hardware:
			offloaded = append(offloaded, endsOf(&e))
		case conntrack.Unknown:
			unknown++
		}
	}
	r := &Report{Unknown: unknown, Accounting: settings.Accounting, AccountingUnknown: !settings.Knows(accountingKey), Rows: []ReportRow{}}
	r.Half, r.Untold = m.halves(ctx, offloaded)
	for row, sum := range rows {
		row.Sum = *sum
		r.Rows = append(r.Rows, row)
		r.Total.add(row.Sum)
	}
	slices.SortFunc(r.Rows, compareRows)
	return r, nil
}

func compareRows(a, b ReportRow) int {
	return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Family, b.Family), cmp.Compare(a.Flowtable, b.Flowtable))
}

func familyOf(t conntrack.Tuple) conntrack.Family {
	if t.Src.Addr().Is4() {
		return conntrack.IPv4
	}
	return conntrack.IPv6
}

func (s *Sum) count(e *conntrack.Entry) {
	s.Flows++
	if !e.Sent.OK || !e.Received.OK {
		return
	}
	s.Counted++
	s.Packets += e.Sent.Packets + e.Received.Packets
	s.Bytes += e.Sent.Bytes + e.Received.Bytes
}

func (s *Sum) add(other Sum) {
	s.Flows += other.Flows
	s.Counted += other.Counted
	s.Packets += other.Packets
	s.Bytes += other.Bytes
}
