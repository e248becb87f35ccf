package ruleset

import (
	"fmt"
	"strings"

	"github.com/go-fastpath/fastpath/internal/nftvalue"
)

// A packet is what the matches so far say of the packets that pass them: nft reads a rule from left to right and refuses
// fields of protocols that contradict each other.
type packet struct {
	family Family // IP or IP6, "" for either
	// oneFamily says that the table itself is of that family.
	oneFamily bool
	// protocols are the transport protocols that can still come, none for any.
	protocols protocolSet
	// unknown says that a Raw statement may have matched anything.
	unknown bool
}

// packetOf is what a table's family says.
func packetOf(family Family) packet {
	if family == IP || family == IP6 {
		return packet{family: family, oneFamily: true}
	}
	return packet{}
}

// anything is what is known behind a Raw statement: nothing that could refuse a field.
func (k *packet) anything() { k.unknown = true }

// hasPorts reports whether every packet that comes so far has ports at the start of its transport header.
func (k *packet) hasPorts() bool {
	return k.unknown || k.protocols.count() > 0 && k.protocols.without(protocolsWithPorts()).count() == 0
}

// learn adds what a match says, or refuses a match that contradicts what is known.
func (k *packet) learn(m *Match, info *fieldInfo, spans []nftvalue.Span) error {
	if info.needsL4Proto && !k.hasPorts() {
		return fmt.Errorf(`%q needs a match on protocols with ports before it; put "meta l4proto" with "tcp", "udp" or both ahead`, string(m.Field))
	}
	switch {
	case info.kind == nftvalue.Exists && len(m.Is)+len(m.Not) > 1:
		return fmt.Errorf("%q either exists or is missing; match one of them, or leave the match out", string(m.Field))
	case m.Field == fieldNFProto:
		return k.learnFamily(m, spans)
	case m.Field == fieldL4Proto && len(m.Is) > 0 && len(spans) > 0:
		return k.narrowProtocols(m.Field, protocolsOf(spans))
	case info.l4proto != 0:
		return k.learnProtocol(m.Field, info.l4proto)
	}
	return k.narrowFamily(m.Field, info.family)
}

// learnFamily takes meta nfproto, which nft refuses outside of inet tables, and which several values make meaningless to it.
func (k *packet) learnFamily(m *Match, spans []nftvalue.Span) error {
	switch {
	case k.oneFamily:
		return fmt.Errorf("%q is only for inet tables, and this table has one family; leave the match out", string(m.Field))
	case len(m.Is)+len(m.Not) > 1:
		return fmt.Errorf("%q knows two families; match one of them, or leave the match out", string(m.Field))
	case len(m.Not) > 0 || len(spans) == 0:
		return nil
	}
	return k.narrowFamily(m.Field, familyOf(spans[0].Low[0]))
}

// learnProtocol takes a field of TCP or UDP. Behind a match on several protocols nft takes one of them for the only one, and
// refuses fields of the others.
func (k *packet) learnProtocol(f Field, protocol byte) error {
	if k.protocols.count() > 1 {
		_, port, _ := strings.Cut(string(f), " ")
		if f == fieldTCPFlags {
			return fmt.Errorf("nft refuses %q behind a match on several protocols; match one protocol", string(f))
		}
		return fmt.Errorf("nft refuses %q behind a match on several protocols; write \"th %s\", or match one protocol", string(f), port)
	}
	return k.narrowProtocols(f, protocols(protocol))
}

func familyOf(nfproto byte) Family {
	if nfproto == nftvalue.NFProtoIPv4 {
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

func (k *packet) narrowProtocols(f Field, to protocolSet) error {
	if k.protocols.count() > 0 {
		to = to.both(k.protocols)
	}
	switch {
	case to.count() > 0:
		k.protocols = to
	case !k.unknown:
		return fmt.Errorf("%q contradicts the protocol matched before; remove one of the matches", string(f))
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
