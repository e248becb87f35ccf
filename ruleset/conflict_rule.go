package ruleset

import (
	"bytes"
	"slices"
	"strings"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// The traits of a rule of someone else, as packets of an established TCP or UDP connection meet it.
type traits struct {
	meets   bool // they can pass its tests
	all     bool // all of them do
	effects []string
	ends    bool   // it accepts, drops or queues
	lets    bool   // it may accept
	varies  bool   // it may meet one packet of a direction and not the next, or one of them today and not tomorrow
	returns bool   // to the chain that jumped here
	target  string // the chain that it leads to
	leaves  bool   // and does not come back from: goto
}

// traitsOf reads a rule's expressions, for packets that come by some way. What is malformed or not known narrows the rule, and no more.
func traitsOf(o nlmsg.Order, expressions []byte, by *passage) traits {
	t := traitReader{order: o, by: by, traits: traits{meets: true, all: true}}
	_ = nlmsg.EachAttr(o, expressions, func(elem nlmsg.Attr) error {
		name, data, err := nlmsg.Expression(o, elem.Data)
		if err == nil {
			t.expression(name, data)
		}
		return err
	})
	if t.states && (slices.Contains(t.effects, "drop") || slices.Contains(t.effects, "reject")) {
		t.meets = false // of the states that nobody drops these are not
	}
	return t.traits
}

// A traitReader follows what the first register holds.
type traitReader struct {
	traits
	order    nlmsg.Order
	by       *passage
	loaded   loadedField
	mask     uint32 // that ct state was anded with
	whether  bool   // the route back was asked for its being there, and not for a device
	flagMask byte   // that TCP's flags were anded with
	states   bool   // the rule looks ct state up in a set
	reversed bool   // it is for packets that a reverse-path filter stops: none of the fast path
}

// A loadedField is what the register holds that was loaded last.
type loadedField int

const (
	otherField loadedField = iota
	stateField
	protocolField
	familyField
	inNameField
	outNameField
	inIndexField
	outIndexField
	reverseField // whether a route leads back by the device that a packet came by
	flagsField
)

// What meta loads (enum nft_meta_keys).
var metaFields = map[uint32]loadedField{
	1: familyField, 4: inIndexField, 5: outIndexField, 6: inNameField, 7: outNameField, 15: familyField, 16: protocolField,
}

// The states of packets of an established connection (NF_CT_STATE_BIT): established; related ones are first packets.
const stateEstablished = 1 << 1

func (t *traitReader) expression(name string, data []byte) {
	a := attrsOf(t.order, data)
	switch name {
	case "ct", "meta":
		if t.load(name, &a) {
			return
		}
	case "bitwise":
		t.bitwise(&a)
		return
	case "cmp":
		t.compare(&a)
		return
	case "lookup":
		t.lookup(&a)
		return
	case "match":
		t.varies = true
		t.compat(&a)
		return
	case "fib":
		t.varies = true
		t.fib(&a)
		return
	case "range":
		t.all = false
		return
	case "connlimit":
		t.all, t.varies = false, true
		return
	case "payload":
		if len(a[nlmsg.NFTAPayloadSreg]) == 0 {
			t.header(&a)
			return
		}
	case "flow_offload": // what stands before it counts connections that are offloaded
		t.effects = slices.DeleteFunc(t.effects, func(e string) bool { return e == counts })
		t.all = false
		return
	case "limit":
		t.all, t.varies = false, true
		t.does("limit")
		return
	}
	t.act(effectOf(t.order, name, &a), &a)
}

// does notes an effect. What a rule does to packets that are stopped on their reverse path it does not do to others.
func (t *traitReader) does(effect string) {
	if !t.reversed {
		t.effects = append(t.effects, effect)
	}
}

// narrow notes a test.
func (t *traitReader) narrow(c chance) {
	t.meets = t.meets && c != never
	t.all = t.all && c != maybe
}

// load notes what a load brings; false if it stores.
func (t *traitReader) load(name string, a *exprAttrs) bool {
	if len(a[nlmsg.NFTACTDreg]) == 0 { // of meta too
		return false
	}
	key, _ := a.number(nlmsg.NFTACTKey) // of meta too
	const ctState = 0
	t.loaded, t.mask = otherField, 0
	switch {
	case name == "ct" && key == ctState:
		t.loaded, t.mask = stateField, 1<<32-1
	case name == "meta":
		t.loaded = metaFields[key]
	}
	t.varies = t.varies || t.loaded == otherField || t.loaded == stateField
	return true
}

// bitwise changes what was loaded.
func (t *traitReader) bitwise(a *exprAttrs) {
	t.mask = 0
	switch mask := attrOf(t.order, a[nlmsg.NFTABitwiseMask], nlmsg.NFTADataValue); {
	case t.loaded == stateField:
		t.mask = (&markReader{order: t.order}).value(a[nlmsg.NFTABitwiseMask])
	case t.loaded == flagsField && len(mask) == 1:
		t.flagMask &= mask[0]
	default:
		t.loaded = otherField
	}
}

// fib notes a search for the route back: the device that it leads to, or whether it leads by the one that the packet came by
// (net/netfilter/nft_fib.c).
func (t *traitReader) fib(a *exprAttrs) {
	const resultAt, flagsAt = 2, 3
	const toDevice, toName, ofSource, whether = 1, 2, 1 << 0, 1 << 5
	result, _ := a.number(resultAt)
	flags, _ := a.number(flagsAt)
	t.loaded = otherField
	if flags&ofSource != 0 && (result == toDevice || result == toName) {
		t.loaded, t.whether = reverseField, flags&whether != 0
	}
}

// header notes what a load from a packet brings: the protocol stands at byte 9 of an IPv4 header and at byte 6 of an IPv6 one, the flags at byte 13
// of TCP's.
func (t *traitReader) header(a *exprAttrs) {
	const networkHeader, transportHeader = 1, 2
	base, _ := a.number(nlmsg.NFTAPayloadBase)
	offset, _ := a.number(nlmsg.NFTAPayloadOffset)
	size, _ := a.number(nlmsg.NFTAPayloadLen)
	t.loaded = otherField
	switch {
	case base == networkHeader && size == 1 && (offset == 9 || offset == 6):
		t.loaded = protocolField
	case base == transportHeader && size == 1 && offset == 13:
		t.loaded, t.flagMask, t.varies = flagsField, 0xff, true
	case base == networkHeader && offset >= 12, base == transportHeader && offset+size <= 4: // addresses, or a part of some, and ports
	default:
		t.varies = true
	}
}

// compare narrows by what was loaded.
func (t *traitReader) compare(a *exprAttrs) {
	op, _ := a.number(nlmsg.NFTACmpOp)
	c := maybe
	if op == nlmsg.CmpEq || op == nlmsg.CmpNeq {
		c = t.equals(attrOf(t.order, a[nlmsg.NFTACmpData], nlmsg.NFTADataValue))
	}
	if op == nlmsg.CmpNeq {
		c = c.not()
	}
	if t.loaded == reverseField && c != maybe {
		t.reverse(c)
		return
	}
	t.narrow(c)
}

// equals is the chance that what was loaded equals a value.
func (t *traitReader) equals(value []byte) chance {
	switch {
	case t.loaded == stateField && len(value) == 4:
		return certain(stateEstablished&t.mask == t.order.Uint32(value))
	case t.loaded == protocolField && len(value) == 1 && !carriesPorts(value[0]):
		return never
	case t.loaded == familyField:
		return t.by.ofFamily(value)
	case t.loaded == inNameField:
		return t.by.named(t.by.in, value)
	case t.loaded == outNameField:
		return t.by.named(t.by.out, value)
	case t.loaded == inIndexField:
		return t.by.numbered(t.order, t.by.in, value)
	case t.loaded == outIndexField:
		return t.by.numbered(t.order, t.by.out, value)
	case t.loaded == flagsField && len(value) == 1 && !t.by.leaves:
		return flagsChance(t.flagMask, value[0])
	case t.loaded == reverseField && (t.whether || none(value)):
		return certain(!none(value)) // there is a route back
	}
	return maybe
}

func none(value []byte) bool { return len(bytes.Trim(value, "\x00")) == 0 }

// flagsChance is the chance of TCP's flags: packets in the fast path have ACK, and neither SYN nor those by which they leave it.
func flagsChance(mask, value byte) chance {
	const fin, syn, rst, ack = 1, 2, 4, 16
	const known = fin | syn | rst | ack
	switch {
	case ack&mask&known != value&known:
		return never
	case mask&^known != 0 || value&^mask != 0:
		return maybe
	}
	return always
}

// reverse notes a test for a route back. Packets of the fast path have one: they come by the device alone that the route to their source led to when the
// connection was offloaded.
func (t *traitReader) reverse(c chance) {
	t.does(reversePath)
	t.reversed = t.reversed || c == never
}

// lookup narrows, or decides by a map of verdicts. Sets and maps of ct states are not read: where they accept, established connections are taken to be
// among them, and where they drop, not.
func (t *traitReader) lookup(a *exprAttrs) {
	dreg, isMap := a.number(nlmsg.NFTALookupDreg)
	t.varies = true // elements come and go
	switch {
	case isMap && dreg == nlmsg.RegVerdict && t.loaded == stateField:
		t.ends, t.lets = true, true
	case isMap && dreg == nlmsg.RegVerdict:
		t.all, t.lets = false, true
	case !isMap && t.loaded == stateField:
		t.states = true
	default:
		t.all = false
	}
	t.loaded = otherField
}

// compat reads matches of iptables-nft: struct xt_conntrack_mtinfo3 and struct xt_rpfilter_info (include/uapi/linux/netfilter/xt_conntrack.h,
// xt_rpfilter.h).
func (t *traitReader) compat(a *exprAttrs) {
	const flagsAt, invertAt, stateAt, byState, translated, invertFilter = 146, 148, 150, 1, 1<<6 | 1<<7, 1 << 2
	info := a[compatInfo]
	switch name := (nlmsg.Attr{Data: a[compatName]}).String(); {
	case name == "comment":
	case name == "rpfilter" && len(info) > 0:
		t.reverse(certain(info[0]&invertFilter == 0))
	case name == "conntrack" && len(info) >= stateAt+2:
		flags, invert, state := t.order.Uint16(info[flagsAt:]), t.order.Uint16(info[invertAt:]), t.order.Uint16(info[stateAt:])
		if flags&byState != 0 {
			c := certain(state&stateEstablished != 0)
			if c == never && state&translated != 0 { // SNAT and DNAT are of the connection
				c = maybe
			}
			if invert&byState != 0 {
				c = c.not()
			}
			t.narrow(c)
		}
		t.all = t.all && flags == byState
	default:
		t.all = false
	}
}

// act notes what a rule does.
func (t *traitReader) act(effect string, a *exprAttrs) {
	switch effect {
	case "": // it loads, or changes what was loaded
		t.loaded, t.varies = otherField, true
		return
	case "accept":
		t.ends = !t.reversed
		t.lets = true
	case "return":
		t.returns = !t.reversed
	case "jump", "goto":
		if t.reversed {
			return
		}
		verdict := attrOf(t.order, a[nlmsg.NFTAImmediateData], nlmsg.NFTADataVerdict)
		t.target, t.leaves = attrText(t.order, verdict, nlmsg.NFTAVerdictChain), effect == "goto"
	case "drop", "reject", "queue", "REJECT":
		t.ends = !t.reversed
		t.lets = t.lets || effect == "queue"
		t.does(strings.ToLower(effect))
	default:
		t.lets = t.lets || !goesOn(effect)
		if !firstPacketsOnly(effect) {
			t.does(effect)
		}
	}
}

// goesOn reports whether packets surely come to the next expression. What is not known may accept.
func goesOn(effect string) bool {
	switch effect {
	case counts, countsByName, "log", "LOG", "MARK", "CONNMARK":
		return true
	}
	return strings.HasSuffix(effect, " set")
}

// firstPacketsOnly reports whether an effect is one on first packets, or on the connection: the fast path goes by it. `option set` clamps the
// segment size in SYN packets.
func firstPacketsOnly(effect string) bool {
	switch effect {
	case "nat", "masq", "redir", "notrack", "tproxy", "synproxy", "last", "option set", "ct set", "vmap", "verdict",
		"MASQUERADE", "SNAT", "DNAT", "REDIRECT", "NETMAP", "TCPMSS", "CT", "NOTRACK", "TPROXY", "CHECKSUM":
		return true
	}
	return false
}
