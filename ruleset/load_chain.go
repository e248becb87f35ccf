package ruleset

import (
	"fmt"
	"slices"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// A LoadedChain is a chain that a kernel held. Safe for concurrent reading.
type LoadedChain struct {
	Family Family `json:"family"`
	Table  string `json:"table"`
	Name   string `json:"name"`
	Handle uint64 `json:"handle"`
	// Use is the number of rules in the chain, and of those that jump to it.
	Use uint32 `json:"use"`
	// Type, Hook, Priority and Policy are those of a base chain; Hook is "" for a regular chain. Hooks of families that a Spec
	// cannot name are numbers.
	Type     ChainType `json:"type,omitempty"`
	Hook     Hook      `json:"hook,omitempty"`
	Priority int32     `json:"priority,omitempty"`
	Policy   Verdict   `json:"policy,omitempty"`
}

// Chains are those of all tables, in the kernel's order.
func (l *Loaded) Chains() []LoadedChain { return slices.Clone(l.chains) }

func (l *Loaded) addChain(o nlmsg.Order, family byte, b []byte) error {
	c := LoadedChain{Family: familyName(family)}
	err := nlmsg.EachAttr(o, b, func(a nlmsg.Attr) (err error) {
		switch a.Type {
		case nlmsg.NFTAChainTable:
			c.Table = a.String()
		case nlmsg.NFTAChainName:
			c.Name = a.String()
		case nlmsg.NFTAChainHandle:
			c.Handle, err = a.Uint64BE()
		case nlmsg.NFTAChainUse:
			c.Use, err = a.Uint32BE()
		case nlmsg.NFTAChainType:
			c.Type = ChainType(a.String())
		case nlmsg.NFTAChainPolicy:
			var v uint32
			v, err = a.Uint32BE()
			c.Policy = policyOf(v)
		case nlmsg.NFTAChainHook:
			err = c.hook(o, a.Data)
		}
		return err
	})
	l.chains = append(l.chains, c)
	return err
}

func policyOf(code uint32) Verdict {
	if code == nlmsg.VerdictDrop {
		return VerdictDrop
	}
	return VerdictAccept
}

func (c *LoadedChain) hook(o nlmsg.Order, b []byte) error {
	return nlmsg.EachAttr(o, b, func(a nlmsg.Attr) error {
		v, err := a.Uint32BE()
		switch a.Type {
		case nlmsg.NFTAHookHookNum:
			c.Hook = hookName(v)
		case nlmsg.NFTAHookPriority:
			c.Priority = int32(v)
		default: // devices, of the family netdev
			return nil
		}
		return err
	})
}

// hookName is a hook of the families ip, ip6 and inet as nft names it.
func hookName(n uint32) Hook {
	for _, h := range [...]Hook{Prerouting, Input, Forward, Output, Postrouting} {
		if number, _ := h.number(); number == n {
			return h
		}
	}
	return Hook(fmt.Sprintf("hook %d", n))
}
