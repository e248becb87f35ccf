package ruleset

import (
	"fmt"
	"slices"

	"github.com/go-fastpath/fastpath/flowtable"
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
	// Type, Hook, Priority and Policy are those of a base chain; Hook is "" for a regular chain. Hooks that a Spec cannot name are
	// "ingress" and "egress", or numbers.
	Type     ChainType `json:"type,omitempty"`
	Hook     Hook      `json:"hook,omitempty"`
	Priority int32     `json:"priority,omitempty"`
	Policy   Verdict   `json:"policy,omitempty"`
	// Devices are those of a base chain at ingress or egress, names and prefixes.
	Devices []flowtable.Selector `json:"devices,omitempty"`
}

// Chains are those of all tables, in the kernel's order.
func (l *Loaded) Chains() []LoadedChain {
	list := slices.Clone(l.chains)
	for i := range list {
		list[i].Devices = slices.Clone(list[i].Devices)
	}
	return list
}

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
		switch a.Type {
		case nlmsg.NFTAHookHookNum:
			v, err := a.Uint32BE()
			c.Hook = hookName(c.Family, v)
			return err
		case nlmsg.NFTAHookPriority:
			v, err := a.Uint32BE()
			c.Priority = int32(v)
			return err
		case nlmsg.NFTAHookDev: // of a chain that was made with one device
			if len(c.Devices) == 0 {
				d, err := deviceOf(a)
				c.Devices = []flowtable.Selector{d}
				return err
			}
		case nlmsg.NFTAHookDevs:
			var f LoadedFlowtable
			err := f.devices(o, a.Data)
			c.Devices = f.Devices
			return err
		}
		return nil
	})
}

// The hooks of devices (enum nf_dev_hooks), and that of the family inet (NF_INET_INGRESS).
const (
	ingress Hook = "ingress"
	egress  Hook = "egress"

	inetIngress = 5
)

// hookName is a hook as nft names it.
func hookName(family Family, n uint32) Hook {
	switch {
	case family == "netdev" && n == 0, family == Inet && n == inetIngress:
		return ingress
	case family == "netdev" && n == 1:
		return egress
	case family == "netdev" || family == "arp":
		return Hook(fmt.Sprintf("hook %d", n))
	}
	for _, h := range [...]Hook{Prerouting, Input, Forward, Output, Postrouting} {
		if number, _ := h.number(); number == n {
			return h
		}
	}
	return Hook(fmt.Sprintf("hook %d", n))
}
