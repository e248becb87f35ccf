package ruleset

import (
	"math/bits"

	"github.com/go-fastpath/fastpath/internal/nftvalue"
)

// A protocolSet holds transport protocols, one bit each by their numbers (IPPROTO_*).
type protocolSet [4]uint64

func protocols(numbers ...byte) protocolSet {
	var p protocolSet
	for _, n := range numbers {
		p[n/64] |= 1 << (n % 64)
	}
	return p
}

// protocolsOf are the values of a match on the protocol.
func protocolsOf(spans []nftvalue.Span) protocolSet {
	var p protocolSet
	for _, s := range spans {
		p[s.Low[0]/64] |= 1 << (s.Low[0] % 64)
	}
	return p
}

// protocolsWithPorts are those whose header begins with two ports: TCP, UDP, DCCP, SCTP, UDP-Lite.
func protocolsWithPorts() protocolSet {
	return protocols(nftvalue.ProtoTCP, nftvalue.ProtoUDP, 33, 132, 136)
}

// carriesPorts reports whether the protocol is one of those.
func carriesPorts(protocol byte) bool {
	return protocols(protocol).both(protocolsWithPorts()).count() > 0
}

func (p protocolSet) count() int {
	n := 0
	for _, word := range p {
		n += bits.OnesCount64(word)
	}
	return n
}

// both are those that are in both sets.
func (p protocolSet) both(q protocolSet) protocolSet {
	for i := range p {
		p[i] &= q[i]
	}
	return p
}

// without are those that are not in the other set.
func (p protocolSet) without(q protocolSet) protocolSet {
	for i := range p {
		p[i] &^= q[i]
	}
	return p
}
