package ruleset

import (
	"fmt"
	"slices"
)

// A packet is what the matches so far say of the packets that pass them: nft reads a rule from left to right and refuses
// fields of protocols that contradict each other.
type packet struct {
	family Family // IP or IP6, "" for either
	// protocols are the transport protocols that can still come, nil for any.
	protocols []byte
	// unknown says that a Raw statement may have matched anything.
	unknown bool
}

// packetOf is what a table's family says.
func packetOf(family Family) packet {
	if family == IP || family == IP6 {
		return packet{family: family}
	}
	return packet{}
}

// anything is what is known behind a Raw statement: nothing that could refuse a field.
func (k *packet) anything() { k.unknown = true }

// hasPorts reports whether every packet that comes so far has ports at the start of its transport header.
func (k *packet) hasPorts() bool {
	return k.unknown || len(k.protocols) > 0 && !slices.ContainsFunc(k.protocols, func(p byte) bool { return !carriesPorts(p) })
}

// carriesPorts reports whether the protocol's header begins with two ports: TCP, UDP, DCCP, SCTP, UDP-Lite.
func carriesPorts(protocol byte) bool {
	return slices.Contains([]byte{protoTCP, protoUDP, 33, 132, 136}, protocol)
}

// learn adds what a match says, or refuses a match that contradicts what is known.
func (k *packet) learn(m *Match, info fieldInfo, spans []span) error {
	if info.needsL4Proto && !k.hasPorts() {
		return fmt.Errorf(`%q needs a match on protocols with ports before it; put "meta l4proto" with "tcp", "udp" or both ahead`, string(m.Field))
	}
	if len(m.Is) > 0 && len(spans) == len(m.Is) {
		switch m.Field {
		case fieldNFProto:
			if len(spans) == 1 {
				return k.narrowFamily(m.Field, familyOf(spans[0].low[0]))
			}
		case fieldL4Proto:
			return k.narrowProtocols(m.Field, spans)
		}
	}
	if info.l4proto != 0 {
		if err := k.narrowProtocols(m.Field, []span{{low: []byte{info.l4proto}}}); err != nil {
			return err
		}
	}
	return k.narrowFamily(m.Field, info.family)
}

func familyOf(nfproto byte) Family {
	if nfproto == nfprotoIPv4 {
		return IP
	}
	return IP6
}

func (k *packet) narrowFamily(f Field, family Family) error {
	if family == "" {
		return nil
	}
	if k.family != "" && k.family != family && !k.unknown {
		return fmt.Errorf("%q is of family %s, but only packets of family %s come here; move the rule, or remove one of the matches", string(f), family, k.family)
	}
	k.family = family
	return nil
}

func (k *packet) narrowProtocols(f Field, spans []span) error {
	var left []byte
	for _, s := range spans {
		if k.protocols == nil || slices.Contains(k.protocols, s.low[0]) {
			left = append(left, s.low[0])
		}
	}
	if len(left) == 0 && !k.unknown {
		return fmt.Errorf("%q contradicts the protocol matched before; remove one of the matches", string(f))
	}
	if len(left) > 0 {
		k.protocols = left
	}
	return nil
}

// takes reports whether an address of the family can be in a packet that comes here.
func (k *packet) takes(family Family) error {
	if k.family != "" && k.family != family && !k.unknown {
		return fmt.Errorf("the address is of family %s, but only packets of family %s come here; use an address of that family", family, k.family)
	}
	return nil
}
