package mark

import (
	"errors"
	"fmt"
	"strings"
)

// The settings of a namespace that matter to flowtables (Documentation/networking/nf_conntrack-sysctl.rst, ip-sysctl.rst).
const (
	Accounting   = "net.netfilter.nf_conntrack_acct"
	Loose        = "net.netfilter.nf_conntrack_tcp_loose"
	Events       = "net.netfilter.nf_conntrack_events"
	Timestamp    = "net.netfilter.nf_conntrack_timestamp"
	TCPTimeout   = "net.netfilter.nf_flowtable_tcp_timeout"
	UDPTimeout   = "net.netfilter.nf_flowtable_udp_timeout"
	Forwarding   = "net.ipv4.ip_forward"
	ForwardingV6 = "net.ipv6.conf.all.forwarding"
)

// maxTimeout is the longest time that a 32 bit count of ticks holds, at 1000 a second, in seconds.
const maxTimeout = 2147483

// errNoSetting says that a key is none of the list: it is not changed, whoever asks.
var errNoSetting = errors.New("none of the settings that matter to flowtables; set it by `sysctl -w`")

// CheckSetting takes the settings that are changed, with a value that they are set to.
func CheckSetting(key, value string) error {
	low, high := 0, 1
	switch key {
	case Accounting, Loose, Timestamp, Forwarding, ForwardingV6:
	case Events:
		high = 2
	case TCPTimeout, UDPTimeout:
		low, high = 1, maxTimeout
	default:
		return fmt.Errorf("%s is %w", short(key), errNoSetting)
	}
	if CheckNumber(value, low, high) != nil {
		return fmt.Errorf("%s: %s is no value of it; write a number from %d to %d", key, short(value), low, high)
	}
	return nil
}

// CheckHeld takes the settings that are changed, with a value that kernels hold: forwarding and the timeouts can be any 32 bit number when
// others set them (proc_dointvec).
func CheckHeld(key, value string) error {
	switch key {
	case TCPTimeout, UDPTimeout, Forwarding, ForwardingV6:
		if CheckNumber(value, -1<<31, 1<<31-1) != nil {
			return fmt.Errorf("%s: %s is no value that it can have", key, short(value))
		}
		return nil
	}
	return CheckSetting(key, value)
}

// AccountingNote is the note of a table whose rules have connections counted: what Accounting was before them.
func AccountingNote(before string) string { return Accounting + "=" + before }

// ReadAccountingNote reads it back; false is no such note.
func ReadAccountingNote(note string) (before string, ok bool) {
	before, ok = strings.CutPrefix(note, Accounting+"=")
	if !ok || CheckHeld(Accounting, before) != nil {
		return "", false
	}
	return before, true
}
