package conntrack

import "fmt"

// A TCPState is the state that the kernel tracks for a TCP connection (enum tcp_conntrack of
// include/uapi/linux/netfilter/nf_conntrack_tcp.h). Zero is absent: another protocol, or an offloaded entry, whose state the
// kernel does not give. It is a plain value.
type TCPState uint8

var tcpNames = [...]string{
	"NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2",
}

// String names the state as conntrack(8) does; zero is "NONE".
func (s TCPState) String() string {
	if int(s) < len(tcpNames) {
		return tcpNames[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// MarshalText is String, and empty for zero.
func (s TCPState) MarshalText() ([]byte, error) {
	if s == 0 {
		return nil, nil
	}
	return []byte(s.String()), nil
}
