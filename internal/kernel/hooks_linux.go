package kernel

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/nlsock"
	"github.com/go-fastpath/fastpath/ruleset"
)

// A DeviceHooks says which flowtables the kernel calls at the ingress of a device.
type DeviceHooks struct {
	Device string
	There  bool // false where no device has the name
	Hooks  []Hook
}

// A Hook is one that a flowtable has at the ingress of a device, or that may be a flowtable's.
type Hook struct {
	// Family of the flowtable's table; "" where the kernel told nothing of the hook but its
	// priority (without CONFIG_KALLSYMS, before Linux 6.17): it may be anyone's.
	Family ruleset.Family
	// Table and Flowtable are told since Linux 6.17; before, "", and the Family is that of the
	// function that is called.
	Table, Flowtable string
	Priority         int32
}

// Hooks reads which flowtables the kernel calls at the ingress of devices, in the order given: one
// dump for each device, by one socket. Hooks of others than flowtables are left out.
//
// Errors match errors.ErrUnsupported where the kernel has no hook dump, which is an option
// (CONFIG_NETFILTER_NETLINK_HOOK, since Linux 5.14), and fs.ErrPermission without CAP_NET_ADMIN.
func (k *Kernel) Hooks(ctx context.Context, devices []string) ([]DeviceHooks, error) {
	sock, err := k.dial()
	if err != nil {
		return nil, err
	}
	defer sock.Close()
	list := make([]DeviceHooks, len(devices))
	for i, device := range devices {
		if list[i], err = readHooks(ctx, sock, device); err != nil {
			return nil, k.explain("read the hooks of "+device, err)
		}
	}
	return list, nil
}

// readHooks asks about one device, again while others' changes interrupt the answer.
func readHooks(ctx context.Context, sock *nlsock.Socket, device string) (DeviceHooks, error) {
	d := DeviceHooks{Device: device}
	request := hooksRequest(nlmsg.Native(), device)
	err := retry(ctx, func() error {
		d.Hooks = nil
		for m, err := range sock.Dump(ctx, request) {
			if err != nil {
				return err
			}
			h, is, err := parseHook(nlmsg.Native(), m)
			if err != nil {
				return err
			}
			if is {
				d.Hooks = append(d.Hooks, h)
			}
		}
		return nil
	})
	switch {
	case errors.Is(err, unix.ENODEV):
		return DeviceHooks{Device: device}, nil
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP):
		// nfnetlink's answer where nobody registered the subsystem, and the dump's where devices
		// have no ingress hooks (nfnl_hook_entries_head).
		return d, fmt.Errorf("%w by this kernel: it has no hook dump (CONFIG_NETFILTER_NETLINK_HOOK); "+
			"load the module nfnetlink_hook: %w", errors.ErrUnsupported, err)
	}
	d.There = err == nil
	return d, err
}

// hooksRequest asks for the hooks at the ingress of a device.
func hooksRequest(o nlmsg.Order, device string) []byte {
	b := nlmsg.NewBuilder(o, nil)
	b.BeginNetfilter(nlmsg.HookType(nlmsg.HookMsgGet), nlmsg.FlagRequest|nlmsg.FlagDump, 0, nlmsg.FamilyNetdev, 0)
	b.Uint32BE(nlmsg.HookNum, nlmsg.HookNetdevIngress)
	b.String(nlmsg.HookDev, device)
	b.End()
	return b.Bytes()
}

// maxTableName is the length of what nf_tables calls something by (NFT_NAME_MAXLEN, less the NUL).
const maxTableName = 255

// flowtableFunctions are what nf_tables hooks for a flowtable, by the family of its table
// (net/netfilter/nf_flow_table_inet.c; nft_flow_offload of Linux 5.14 to 7.2).
var flowtableFunctions = map[string]ruleset.Family{
	"nf_flow_offload_inet_hook": ruleset.Inet,
	"nf_flow_offload_ip_hook":   ruleset.IP,
	"nf_flow_offload_ipv6_hook": ruleset.IP6,
}

// parseHook reads a message of the dump. It is false for a hook that is certainly no flowtable's.
func parseHook(o nlmsg.Order, m nlmsg.Message) (h Hook, is bool, err error) {
	if m.Type != nlmsg.HookType(nlmsg.HookMsgGet) {
		return Hook{}, false, nil
	}
	_, _, attrs, err := nlmsg.Netfilter(m.Data)
	if err != nil {
		return Hook{}, false, err
	}
	var function string
	var info []byte
	err = nlmsg.EachAttr(o, attrs, func(a nlmsg.Attr) error {
		var err error
		switch a.Type {
		case nlmsg.HookPriority:
			var priority uint32
			priority, err = a.Uint32BE()
			h.Priority = int32(priority)
		case nlmsg.HookFunction:
			function = a.String()
		case nlmsg.HookInfo:
			info = a.Data
		}
		return err
	})
	switch {
	case err != nil:
		return Hook{}, false, err
	case info != nil:
		is, err = h.readInfo(o, info)
	case function != "":
		h.Family, is = flowtableFunctions[function]
	default:
		is = true
	}
	if err != nil || !is {
		return Hook{}, false, err
	}
	return h, true, nil
}

// readInfo reads whose a hook is. It is false for one that is no flowtable's.
func (h *Hook) readInfo(o nlmsg.Order, info []byte) (is bool, err error) {
	var desc []byte
	err = nlmsg.EachAttr(o, info, func(a nlmsg.Attr) error {
		var err error
		switch a.Type {
		case nlmsg.HookInfoType:
			var typ uint32
			typ, err = a.Uint32BE()
			is = typ == nlmsg.HookTypeFlowtable
		case nlmsg.HookInfoDesc:
			desc = a.Data
		}
		return err
	})
	if err != nil || !is {
		return false, err
	}
	err = nlmsg.EachAttr(o, desc, func(a nlmsg.Attr) error {
		var err error
		switch a.Type {
		case nlmsg.HookDescTable:
			h.Table, err = a.Name(maxTableName)
		case nlmsg.HookDescName:
			h.Flowtable, err = a.Name(maxTableName)
		case nlmsg.HookDescFamily:
			var family uint8
			family, err = a.Uint8()
			h.Family = ruleset.Family(nlmsg.FamilyName(family))
		}
		return err
	})
	if err == nil && (h.Table == "" || h.Flowtable == "" || h.Family == "") {
		err = fmt.Errorf("%w: a flowtable's hook without table, name or family", nlmsg.ErrMalformed)
	}
	return err == nil, err
}
