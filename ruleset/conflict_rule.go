package ruleset

import (
	"slices"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// The traits of a rule of someone else, as packets of an established TCP or UDP connection meet it.
type traits struct {
	meets   bool // they can pass its tests
	all     bool // all of them do
	effects []string
	ends    bool   // it accepts, drops or queues
	returns bool   // to the chain that jumped here
	target  string // the chain that it leads to
	leaves  bool   // and does not come back from: goto
}

// traitsOf reads a rule's expressions. What is malformed or not known narrows the rule, and no more.
func traitsOf(o nlmsg.Order, expressions []byte) traits {
	t := traitReader{order: o, traits: traits{meets: true, all: true}}
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
	order  nlmsg.Order
	loaded loadedField
	mask   uint32 // that ct state was anded with
	states bool   // the rule looks ct state up in a set
}

// A loadedField is what the register holds that was loaded last.
type loadedField int

const (
	otherField loadedField = iota
	stateField
	protocolField
)

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
		t.mask = 0
		if t.loaded == stateField {
			t.mask = (&markReader{order: t.order}).value(a[nlmsg.NFTABitwiseMask])
		}
		return
	case "cmp":
		t.compare(&a)
		return
	case "lookup":
		t.lookup(&a)
		return
	case "match":
		t.compat(&a)
		return
	case "range", "connlimit":
		t.all = false
		return
	case "payload":
		if len(a[nlmsg.NFTAPayloadSreg]) == 0 {
			t.header(&a)
			return
		}
	case "flow_offload": // what stands before it counts connections that are offloaded
		t.effects = slices.DeleteFunc(t.effects, func(e string) bool { return e == "counter" })
		t.all = false
		return
	case "limit":
		t.all = false
		t.effects = append(t.effects, "limit")
		return
	}
	t.act(effectOf(t.order, name, &a), &a)
}

// load notes what a load brings; false if it stores.
func (t *traitReader) load(name string, a *exprAttrs) bool {
	if len(a[nlmsg.NFTACTDreg]) == 0 { // of meta too
		return false
	}
	key, _ := a.number(nlmsg.NFTACTKey) // of meta too
	const ctState, metaL4Proto = 0, 16
	t.loaded, t.mask = otherField, 0
	switch {
	case name == "ct" && key == ctState:
		t.loaded, t.mask = stateField, 1<<32-1
	case name == "meta" && key == metaL4Proto:
		t.loaded = protocolField
	}
	return true
}

// header notes what a load from a packet brings: the protocol stands at byte 9 of an IPv4 header, and at byte 6 of an IPv6 one.
func (t *traitReader) header(a *exprAttrs) {
	const networkHeader = 1
	base, _ := a.number(nlmsg.NFTAPayloadBase)
	offset, _ := a.number(nlmsg.NFTAPayloadOffset)
	size, _ := a.number(nlmsg.NFTAPayloadLen)
	t.loaded = otherField
	if base == networkHeader && size == 1 && (offset == 9 || offset == 6) {
		t.loaded = protocolField
	}
}

// compare narrows by ct state or protocol.
func (t *traitReader) compare(a *exprAttrs) {
	op, _ := a.number(nlmsg.NFTACmpOp)
	value := attrOf(t.order, a[nlmsg.NFTACmpData], nlmsg.NFTADataValue)
	switch {
	case t.loaded == stateField && len(value) == 4 && (op == nlmsg.CmpEq || op == nlmsg.CmpNeq):
		t.state((stateEstablished&t.mask == t.order.Uint32(value)) == (op == nlmsg.CmpEq))
	case t.loaded == protocolField && len(value) == 1 && op == nlmsg.CmpEq:
		t.meets = t.meets && carriesPorts(value[0])
		t.all = false
	default:
		t.all = false
	}
}

// state narrows to packets of some states.
func (t *traitReader) state(established bool) { t.meets = t.meets && established }

// lookup narrows, or decides by a map of verdicts. Sets and maps of ct states are not read: where they accept, established connections are taken to be
// among them, and where they drop, not.
func (t *traitReader) lookup(a *exprAttrs) {
	dreg, isMap := a.number(nlmsg.NFTALookupDreg)
	switch {
	case isMap && dreg == nlmsg.RegVerdict && t.loaded == stateField:
		t.ends = true
	case !isMap && t.loaded == stateField:
		t.states = true
	default:
		t.all = false
	}
	t.loaded = otherField
}

// compat reads the state match of iptables-nft: struct xt_conntrack_mtinfo3 (include/uapi/linux/netfilter/xt_conntrack.h).
func (t *traitReader) compat(a *exprAttrs) {
	const flagsAt, invertAt, stateAt, byState = 146, 148, 150, 1
	info := a[compatInfo]
	if name := (nlmsg.Attr{Data: a[compatName]}).String(); name != "conntrack" || len(info) < stateAt+2 {
		t.all = t.all && name == "comment"
		return
	}
	flags, invert, state := t.order.Uint16(info[flagsAt:]), t.order.Uint16(info[invertAt:]), t.order.Uint16(info[stateAt:])
	if flags&byState != 0 {
		t.state(state&stateEstablished != 0 != (invert&byState != 0))
	}
	t.all = t.all && flags == byState
}

// act notes what a rule does.
func (t *traitReader) act(effect string, a *exprAttrs) {
	switch effect {
	case "": // it loads, or changes what was loaded
		t.loaded = otherField
	case "accept":
		t.ends = true
	case "return":
		t.returns = true
	case "jump", "goto":
		verdict := attrOf(t.order, a[nlmsg.NFTAImmediateData], nlmsg.NFTADataVerdict)
		t.target, t.leaves = attrText(t.order, verdict, nlmsg.NFTAVerdictChain), effect == "goto"
	case "drop", "reject", "queue":
		t.ends = true
		t.effects = append(t.effects, effect)
	default:
		if !firstPacketsOnly(effect) {
			t.effects = append(t.effects, effect)
		}
	}
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
