package conntrack

import (
	"fmt"
	"slices"
	"strconv"
)

// The settings that a Settings tells.
const (
	accountingKey = "net.netfilter.nf_conntrack_acct"
	eventsKey     = "net.netfilter.nf_conntrack_events"
	timestampsKey = "net.netfilter.nf_conntrack_timestamp"
	tcpLooseKey   = "net.netfilter.nf_conntrack_tcp_loose"
	countKey      = "net.netfilter.nf_conntrack_count"
)

// Settings are the sysctls of a network namespace that decide what can be seen, under net.netfilter, and how many connections there are. It
// is a plain value.
type Settings struct {
	Accounting bool // nf_conntrack_acct: connections that begin now have counters
	Events     int  // nf_conntrack_events: 0 no notifications; 1 always; 2 for connections that begin while somebody listens
	Timestamps bool // nf_conntrack_timestamp: connections that begin now have a start time
	TCPLoose   bool // nf_conntrack_tcp_loose: a TCP connection is picked up in its middle
	Count      int  // nf_conntrack_count: connections of this namespace; kernels before 4.16 count all namespaces
	// Unknown are the sysctls that could not be read, such as "net.netfilter.nf_conntrack_acct": /proc/sys is masked, as containers often have
	// it, or there is no /proc. Their fields above are zero and say nothing.
	Unknown []string
}

// Knows reports whether a sysctl such as "net.netfilter.nf_conntrack_acct" could be read.
func (s Settings) Knows(key string) bool { return !slices.Contains(s.Unknown, key) }

// A Lack is a setting that hides something from a Watcher. It is a plain value with a readable String.
type Lack struct {
	Key   string `json:"key"`   // "net.netfilter.nf_conntrack_acct"
	Value string `json:"value"` // as it is; "unknown" where it cannot be read
	Want  string `json:"want"`  // what would show it
	Why   string `json:"why"`   // what is hidden
}

// String says what is hidden and what would show it.
func (l Lack) String() string {
	return fmt.Sprintf("%s is %s: %s; %s shows them", l.Key, l.Value, l.Why, l.Want)
}

// unknown is the value of a setting that could not be read.
const unknown = "unknown"

// Lacks lists the settings that hide something, or may because they could not be read. All of them concern connections that begin after they
// were set. Nothing here sets them: use sysctl(8), or offload.Manager.SetSettings, which can put them back.
func (s Settings) Lacks() []Lack {
	var list []Lack
	lack := func(is bool, key, value, why string) {
		switch {
		case !s.Knows(key):
			list = append(list, Lack{key, unknown, "1", "it cannot be read; if it is 0, " + why})
		case is:
			list = append(list, Lack{key, value, "1", why})
		}
	}
	lack(!s.Accounting, accountingKey, "0", "new connections have no counters")
	why := "the kernel tells of no beginnings and ends: they are seen late, and what lived between two readings never"
	if s.Events == 2 {
		why = "connections that began while nobody listened end without final counters"
	}
	lack(s.Events != 1, eventsKey, strconv.Itoa(s.Events), why)
	lack(!s.Timestamps, timestampsKey, "0", "new connections have no start and stop times, and their events no time")
	return list
}

// Risk says why the connection e may break when it is evicted; "" where it should go on with its next packet. A TCP connection is
// picked up in its middle only with TCPLoose, and a translated one may be translated otherwise.
func (s Settings) Risk(e *Entry) string {
	_, snat := e.SNAT()
	_, dnat := e.DNAT()
	switch {
	case e.Orig.Proto == TCP && !s.Knows(tcpLooseKey):
		return "net.netfilter.nf_conntrack_tcp_loose cannot be read: if it is 0, the connection is not picked up again"
	case !s.TCPLoose && e.Orig.Proto == TCP:
		return "net.netfilter.nf_conntrack_tcp_loose is 0: the connection is not picked up again"
	case snat || dnat:
		return "it is translated: its next packet may be translated otherwise"
	}
	return ""
}
