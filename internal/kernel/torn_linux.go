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
// leads, says how many there are. Only tables that bear an owner's mark are looked at: what is odd about others' must not keep
// anyone from reading.
func (d *dump) torn() bool {
	places := places{}
	for _, m := range d.messages {
		switch m.Type {
		case nlmsg.NFTablesType(nlmsg.NFTMsgNewChain):
			places.addChain(d.marked, m.Data)
		case nlmsg.NFTablesType(nlmsg.NFTMsgNewRule):
			if !places.addRule(d.marked, m.Data) {
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

// Places are the chains of marked tables.
type places map[chainName]*place

type chainName struct {
	table tableName
	name  string
}

func (all places) addChain(marked map[tableName]bool, data []byte) {
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
	if t := (tableName{data[0], table}); marked[t] {
		all[chainName{t, name}] = p
	}
}

// addRule is false for a rule that does not follow the one that was listed before it.
func (all places) addRule(marked map[tableName]bool, data []byte) bool {
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
	t := tableName{data[0], table}
	if !marked[t] {
		return true
	}
	p := all[chainName{t, chain}]
	if p == nil || before != p.last {
		return false
	}
	p.last = handle
	p.listed++
	return true
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
