package kernel

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/ruleset"
)

// tornMessage is one message of a dump of the table inet t.
func tornMessage(msg uint16, attributes func(*nlmsg.Builder)) ruleset.Message {
	b := nlmsg.NewBuilder(nlmsg.Native(), nil)
	b.BeginNetfilter(nlmsg.NFTablesType(msg), nlmsg.FlagMulti, 0, nlmsg.FamilyInet, 0)
	attributes(b)
	b.End()
	return ruleset.Message{Type: nlmsg.NFTablesType(msg), Data: b.Bytes()[16:]}
}

func tornChain(name string, hooked bool, use uint32) ruleset.Message {
	return tornMessage(nlmsg.NFTMsgNewChain, func(b *nlmsg.Builder) {
		b.String(nlmsg.NFTAChainTable, "t")
		b.String(nlmsg.NFTAChainName, name)
		if hooked {
			b.EndNest(b.Nest(nlmsg.NFTAChainHook))
		}
		b.Uint32BE(nlmsg.NFTAChainUse, use)
	})
}

// tornRule follows the rule with a handle; 0 is none.
func tornRule(chain string, handle, before uint64) ruleset.Message {
	return tornMessage(nlmsg.NFTMsgNewRule, func(b *nlmsg.Builder) {
		b.String(nlmsg.NFTARuleTable, "t")
		b.String(nlmsg.NFTARuleChain, chain)
		b.Uint64BE(nlmsg.NFTARuleHandle, handle)
		if before != 0 {
			b.Uint64BE(nlmsg.NFTARulePosition, before)
		}
	})
}

// TestTorn holds dumps of rules that were listed twice, or left out, against those that were not; tables without a mark do not count.
func TestTorn(t *testing.T) {
	base, regular := tornChain("c", true, 2), tornChain("r", false, 7)
	for name, c := range map[string]struct {
		messages []ruleset.Message
		torn     bool
	}{
		"nothing":               {nil, false},
		"whole":                 {[]ruleset.Message{base, regular, tornRule("c", 4, 0), tornRule("c", 6, 4), tornRule("r", 5, 0)}, false},
		"listed twice":          {[]ruleset.Message{base, tornRule("c", 4, 0), tornRule("c", 4, 0), tornRule("c", 6, 4)}, true},
		"the last twice":        {[]ruleset.Message{base, tornRule("c", 4, 0), tornRule("c", 6, 4), tornRule("c", 6, 4)}, true},
		"the first left out":    {[]ruleset.Message{base, tornRule("c", 6, 4)}, true},
		"one left out":          {[]ruleset.Message{regular, tornRule("r", 4, 0), tornRule("r", 8, 6)}, true},
		"the last left out":     {[]ruleset.Message{base, tornRule("c", 4, 0)}, true},
		"of a chain not listed": {[]ruleset.Message{tornRule("x", 4, 0)}, true},
	} {
		d := dump{messages: c.messages, marked: map[tableName]bool{{nlmsg.FamilyInet, "t"}: true}}
		assert.Equal(t, c.torn, d.torn(), name)
		d.marked = nil
		assert.False(t, d.torn(), "%s, in a table without a mark", name)
	}
}
