package ruleset

import (
	"fmt"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// createTable makes a table that must not exist, for a mark cannot be set later: kernels ignore a comment on an update.
func (e *encoder) createTable(op *Operation, t *newTable) {
	e.begin(op, nlmsg.NFTMsgNewTable, nlmsg.FlagCreate|nlmsg.FlagExcl)
	e.b.String(nlmsg.NFTATableName, op.Table)
	e.b.Uint32BE(nlmsg.NFTATableFlags, 0)
	udata := e.appendComment(e.scratch[:0], nlmsg.UdataTableComment, ownerComment(t.owner))
	e.fail(t.err)
	if t.note != "" {
		udata = e.appendComment(udata, udataNote, t.note)
	}
	e.b.Data(nlmsg.NFTATableUserdata, udata)
	e.end()
}

// wakeTable takes all flags from a table that exists.
func (e *encoder) wakeTable(op *Operation) {
	e.begin(op, nlmsg.NFTMsgNewTable, 0)
	e.b.String(nlmsg.NFTATableName, op.Table)
	e.b.Uint32BE(nlmsg.NFTATableFlags, 0)
	e.end()
}

// appendComment appends type, length, the text and a NUL.
func (e *encoder) appendComment(b []byte, typ byte, text string) []byte {
	if len(text) > 254 {
		e.fail(fmt.Errorf("comment of %d bytes is longer than its length byte can say", len(text)))
	}
	b = append(b, typ, byte(len(text)+1))
	b = append(b, text...)
	return append(b, 0)
}

func (e *encoder) addChain(op *Operation, c *Chain) {
	e.begin(op, nlmsg.NFTMsgNewChain, nlmsg.FlagCreate)
	e.b.String(nlmsg.NFTAChainTable, op.Table)
	e.b.String(nlmsg.NFTAChainName, c.Name)
	if c.Hook != "" {
		e.baseChain(c)
	}
	e.end()
}

func (e *encoder) baseChain(c *Chain) {
	hook, ok := c.Hook.number()
	if !ok {
		e.fail(fmt.Errorf("unknown hook %q", c.Hook))
	}
	priority, err := c.Priority.Int32()
	if err != nil {
		e.fail(err)
	}
	policy := uint32(nlmsg.VerdictAccept)
	if c.Policy == VerdictDrop {
		policy = nlmsg.VerdictDrop
	}
	e.b.String(nlmsg.NFTAChainType, string(c.chainType()))
	e.b.Uint32BE(nlmsg.NFTAChainPolicy, policy)
	nest := e.b.Nest(nlmsg.NFTAChainHook)
	e.b.Uint32BE(nlmsg.NFTAHookHookNum, hook)
	e.b.Uint32BE(nlmsg.NFTAHookPriority, uint32(priority))
	e.b.EndNest(nest)
}

// number is the hook as the kernel counts it (NF_INET_*).
func (h Hook) number() (uint32, bool) {
	switch h {
	case Prerouting:
		return nlmsg.HookPrerouting, true
	case Input:
		return nlmsg.HookInput, true
	case Forward:
		return nlmsg.HookForward, true
	case Output:
		return nlmsg.HookOutput, true
	case Postrouting:
		return nlmsg.HookPostrouting, true
	}
	return 0, false
}

// addFlowtable makes a flowtable with its first 255 devices, or changes one. Further devices follow in updates, which must leave
// the flags out: with them they would replace what the flowtable has (kernel: nft_flowtable_update).
func (e *encoder) addFlowtable(op *Operation, f *boundFlowtable) {
	first, rest := cut(f.devices, nlmsg.MaxDevices)
	e.beginFlowtable(op, nlmsg.NFTMsgNewFlowtable, nlmsg.FlagCreate, f.spec.Name)
	if !f.update || f.flags {
		e.b.Uint32BE(nlmsg.NFTAFlowtableFlags, flowtableFlags(f.spec))
	}
	hook := e.b.Nest(nlmsg.NFTAFlowtableHook)
	if !f.update {
		priority, err := f.spec.Priority.Int32()
		if err != nil {
			e.fail(err)
		}
		e.b.Uint32BE(nlmsg.NFTAFlowtableHookNum, nlmsg.HookNetdevIngress)
		e.b.Uint32BE(nlmsg.NFTAFlowtableHookPriority, uint32(priority))
	}
	e.devices(first)
	e.b.EndNest(hook)
	e.end()
	e.moreDevices(op, nlmsg.NFTMsgNewFlowtable, nlmsg.FlagCreate, f.spec.Name, rest)
}

// moreDevices sends devices that join or leave a flowtable, 255 in a message.
func (e *encoder) moreDevices(op *Operation, msg, flags uint16, name string, devices []string) {
	for len(devices) > 0 {
		var some []string
		some, devices = cut(devices, nlmsg.MaxDevices)
		e.beginFlowtable(op, msg, flags, name)
		hook := e.b.Nest(nlmsg.NFTAFlowtableHook)
		e.devices(some)
		e.b.EndNest(hook)
		e.end()
	}
}

func (e *encoder) beginFlowtable(op *Operation, msg, flags uint16, name string) {
	e.begin(op, msg, flags)
	e.b.String(nlmsg.NFTAFlowtableTable, op.Table)
	e.b.String(nlmsg.NFTAFlowtableName, name)
}

// devices writes names, and prefixes without their "*" (NFTA_DEVICE_PREFIX, Linux 6.16).
func (e *encoder) devices(names []string) {
	if len(names) == 0 {
		return
	}
	nest := e.b.Nest(nlmsg.NFTAFlowtableHookDevs)
	for _, name := range names {
		if n := len(name) - 1; n >= 0 && name[n] == '*' {
			e.b.String(nlmsg.NFTADevicePrefix, name[:n])
		} else {
			e.b.String(nlmsg.NFTADeviceName, name)
		}
	}
	e.b.EndNest(nest)
}

func flowtableFlags(f *flowtable.Spec) uint32 {
	var flags uint32
	if f.Hardware == flowtable.HardwareOn {
		flags |= nlmsg.FlowtableHWOffload
	}
	if !f.NoCounter {
		flags |= nlmsg.FlowtableCounter
	}
	return flags
}

// cut splits off at most n elements.
func cut(list []string, n int) (first, rest []string) {
	n = min(n, len(list))
	return list[:n], list[n:]
}
