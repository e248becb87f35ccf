package conntrack

import "fmt"

// A State is the state that the kernel tracks for a connection of TCP, SCTP or DCCP (enum tcp_conntrack, sctp_conntrack and ct_dccp_states
// of include/uapi/linux/netfilter/nf_conntrack_*.h). Zero is absent: another protocol, or an offloaded entry, whose state the
// kernel does not give. It is a plain value.
type State uint16

// StateOf makes the State of a protocol out of the kernel's number.
func StateOf(proto, number uint8) State { return State(proto)<<8 | State(number) }

// The states of a TCP connection.
const (
	TCPSynSent     State = TCP<<8 | 1
	TCPSynReceived State = TCP<<8 | 2
	TCPEstablished State = TCP<<8 | 3
	TCPFinWait     State = TCP<<8 | 4
	TCPCloseWait   State = TCP<<8 | 5
	TCPLastAck     State = TCP<<8 | 6
	TCPTimeWait    State = TCP<<8 | 7
	TCPClose       State = TCP<<8 | 8
	TCPSynSent2    State = TCP<<8 | 9
)

var (
	tcpNames = [...]string{
		"NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2",
	}
	sctpNames = [...]string{
		"NONE", "CLOSED", "COOKIE_WAIT", "COOKIE_ECHOED", "ESTABLISHED", "SHUTDOWN_SENT", "SHUTDOWN_RECD", "SHUTDOWN_ACK_SENT",
		"HEARTBEAT_SENT", "HEARTBEAT_ACKED",
	}
	dccpNames = [...]string{"NONE", "REQUEST", "RESPOND", "PARTOPEN", "OPEN", "CLOSEREQ", "CLOSING", "TIMEWAIT", "IGNORE", "INVALID"}
)

// String names the state as conntrack(8) does; zero is "NONE".
func (s State) String() string {
	var names []string
	switch s >> 8 {
	case 0, TCP:
		names = tcpNames[:]
	case SCTP:
		names = sctpNames[:]
	case DCCP:
		names = dccpNames[:]
	}
	if n := int(s & 0xff); n < len(names) {
		return names[n]
	}
	return fmt.Sprintf("state(%d)", s&0xff)
}

// MarshalText is String, and empty for zero.
func (s State) MarshalText() ([]byte, error) {
	if s == 0 {
		return nil, nil
	}
	return []byte(s.String()), nil
}
