package kernel

import "github.com/go-fastpath/fastpath/internal/nlmsg"

// A place is a chain in a dump: what it said of itself, and what was listed of it.
type place struct {
	hooked      bool
	use, listed uint32
	last        uint64 // handle of the rule that was listed last
}

// torn reports whether rules were listed twice or left out. While it lists rules the kernel keeps its place by counting them, those
// that a batch under way added or took away too (net/netfilter/nf_tables_api.c, __nf_tables_dump_rules): a batch of anyone, also one
// that fails, shifts that place, and no generation tells. Each rule names the one before it, and a base chain, to which nothing
// leads, says how many there are.
func (d *dump) torn() bool {
	places := map[string]*place{}
	for _, m := range d.messages {
		switch m.Type {
		case nlmsg.NFTablesType(nlmsg.NFTMsgNewChain):
			addChain(places, m.Data)
		case nlmsg.NFTablesType(nlmsg.NFTMsgNewRule):
			if !addRule(places, m.Data) {
				return true
			}
		}
	}
	for _, p := range places {
		if p.hooked && p.use != p.listed {
			return true
		}
	}
	return false
}

func addChain(places map[string]*place, data []byte) {
	var table, name string
	p := &place{}
	eachAttr(data, func(a nlmsg.Attr) {
		switch a.Type {
		case nlmsg.NFTAChainTable:
			table = a.String()
		case nlmsg.NFTAChainName:
			name = a.String()
		case nlmsg.NFTAChainHook:
			p.hooked = true
		case nlmsg.NFTAChainUse:
			p.use, _ = a.Uint32BE()
		}
	})
	places[placeName(data, table, name)] = p
}

// addRule is false for a rule that does not follow the one that was listed before it.
func addRule(places map[string]*place, data []byte) bool {
	var table, chain string
	var handle, before uint64
	eachAttr(data, func(a nlmsg.Attr) {
		switch a.Type {
		case nlmsg.NFTARuleTable:
			table = a.String()
		case nlmsg.NFTARuleChain:
			chain = a.String()
		case nlmsg.NFTARuleHandle:
			handle, _ = a.Uint64BE()
		case nlmsg.NFTARulePosition:
			before, _ = a.Uint64BE()
		}
	})
	p := places[placeName(data, table, chain)]
	if p == nil || before != p.last {
		return false
	}
	p.last = handle
	p.listed++
	return true
}

func placeName(data []byte, table, chain string) string {
	return string(data[:1]) + table + "\x00" + chain
}

func eachAttr(data []byte, visit func(nlmsg.Attr)) {
	_, _, attrs, err := nlmsg.Netfilter(data)
	if err != nil {
		return
	}
	_ = nlmsg.EachAttr(nlmsg.Native(), attrs, func(a nlmsg.Attr) error {
		visit(a)
		return nil
	})
}
