package conntrack

import (
	"fmt"
	"strconv"
)

// Settings are the sysctls of a network namespace that decide what can be seen, under net.netfilter, and how many connections there are. It
// is a plain value.
type Settings struct {
	Accounting bool // nf_conntrack_acct: connections that begin now have counters
	Events     int  // nf_conntrack_events: 0 no notifications; 1 always; 2 for connections that begin while somebody listens
	Timestamps bool // nf_conntrack_timestamp: connections that begin now have a start time
	TCPLoose   bool // nf_conntrack_tcp_loose: a TCP connection is picked up in its middle
	Count      int  // nf_conntrack_count: connections of this namespace; kernels before 4.16 count all namespaces
}

// A Lack is a setting that hides something from a Watcher. It is a plain value with a readable String.
type Lack struct {
	Key   string `json:"key"`   // "net.netfilter.nf_conntrack_acct"
	Value string `json:"value"` // as it is
	Want  string `json:"want"`  // what would show it
	Why   string `json:"why"`   // what is hidden
}

// String says what is hidden and what would show it.
func (l Lack) String() string {
	return fmt.Sprintf("%s is %s: %s; %s shows them", l.Key, l.Value, l.Why, l.Want)
}

// Lacks lists the settings that hide something. All of them concern connections that begin after they were set. Nothing here sets
// them: use sysctl(8), or offload.Manager.SetSettings, which can put them back.
func (s Settings) Lacks() []Lack {
	var list []Lack
	if !s.Accounting {
		list = append(list, Lack{"net.netfilter.nf_conntrack_acct", "0", "1", "new connections have no counters"})
	}
	switch s.Events {
	case 0:
		list = append(list, Lack{"net.netfilter.nf_conntrack_events", "0", "1",
			"the kernel tells of no beginnings and ends: they are seen late, and what lived between two readings never"})
	case 2:
		list = append(list, Lack{"net.netfilter.nf_conntrack_events", strconv.Itoa(s.Events), "1",
			"connections that began while nobody listened end without final counters"})
	}
	if !s.Timestamps {
		list = append(list, Lack{"net.netfilter.nf_conntrack_timestamp", "0", "1", "new connections have no start and stop times"})
	}
	return list
}

// Risk says why the connection e may break when it is evicted; "" where it should go on with its next packet. A TCP connection is
// picked up in its middle only with TCPLoose, and a translated one may be translated otherwise.
func (s Settings) Risk(e *Entry) string {
	_, snat := e.SNAT()
	_, dnat := e.DNAT()
	switch {
	case !s.TCPLoose && e.Orig.Proto == TCP:
		return "net.netfilter.nf_conntrack_tcp_loose is 0: the connection is not picked up again"
	case snat || dnat:
		return "it is translated: its next packet may be translated otherwise"
	}
	return ""
}
