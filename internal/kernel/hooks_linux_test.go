package kernel

import (
	"bufio"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/nlsock"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// What Linux 6.12 and 7.2 answered about lan0 of hookedRuleset, little endian: type, flags and data
// of a message a line. TestKernelHooks prints them with -update.
//
//go:embed testdata/hooks-*.txt
var capturedHooks embed.FS

// hookedRuleset hooks three flowtables and a chain at the ingress of lan0, one at that of wan0.
const hookedRuleset = `
table inet fw {
	flowtable fast { hook ingress priority 0; devices = { lan0, wan0 }; }
}
table ip four {
	flowtable fast { hook ingress priority 5; devices = { lan0 }; }
}
table ip6 six {
	flowtable more { hook ingress priority -7; devices = { lan0 }; }
}
table netdev edge {
	chain in { type filter hook ingress device lan0 priority 9; }
}
`

// hooksOfLan0 are those of hookedRuleset, as a kernel tells them that names flowtables or does not.
func hooksOfLan0(named bool) []Hook {
	list := []Hook{
		{Family: ruleset.IP6, Table: "six", Flowtable: "more", Priority: -7},
		{Family: ruleset.Inet, Table: "fw", Flowtable: "fast", Priority: 0},
		{Family: ruleset.IP, Table: "four", Flowtable: "fast", Priority: 5},
	}
	for i := range list {
		if !named {
			list[i].Table, list[i].Flowtable = "", ""
		}
	}
	return list
}

// hookMessages are the captured ones of a kernel.
func hookMessages(tb testing.TB, release string) (list []nlmsg.Message) {
	tb.Helper()
	text, err := capturedHooks.ReadFile("testdata/hooks-" + release + ".txt")
	require.NoError(tb, err)
	for lines := bufio.NewScanner(strings.NewReader(string(text))); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		var m nlmsg.Message
		var digits string
		_, err := fmt.Sscanf(lines.Text(), "%x %x %s", &m.Type, &m.Flags, &digits)
		require.NoError(tb, err, lines.Text())
		m.Data, err = hex.DecodeString(digits)
		require.NoError(tb, err)
		list = append(list, m)
	}
	require.Len(tb, list, 4, "three flowtables and a chain")
	return list
}

// What was captured is read as what was made.
func TestCapturedHooks(t *testing.T) {
	for release, named := range map[string]bool{"6.12": false, "7.2": true} {
		var list []Hook
		for _, m := range hookMessages(t, release) {
			h, is, err := parseHook(nlmsg.LittleEndian, m)
			require.NoError(t, err)
			if is {
				list = append(list, h)
			}
		}
		assert.Equal(t, hooksOfLan0(named), list, release)
	}
}

// A kernel may tell nothing but the priority, and what it tells of a flowtable has to be whole.
func TestParseHook(t *testing.T) {
	o := nlmsg.LittleEndian
	message := func(fill func(b *nlmsg.Builder)) nlmsg.Message {
		b := nlmsg.NewBuilder(o, nil)
		b.BeginNetfilter(nlmsg.HookType(nlmsg.HookMsgGet), 0, 0, nlmsg.FamilyNetdev, 0)
		fill(b)
		b.End()
		m, _, err := nlmsg.NextMessage(o, b.Bytes())
		require.NoError(t, err)
		return m
	}
	whose := func(typ uint32, fill func(b *nlmsg.Builder)) func(*nlmsg.Builder) {
		return func(b *nlmsg.Builder) {
			info := b.Nest(nlmsg.HookInfo)
			desc := b.Nest(nlmsg.HookInfoDesc)
			fill(b)
			b.EndNest(desc)
			b.Uint32BE(nlmsg.HookInfoType, typ)
			b.EndNest(info)
		}
	}
	h, is, err := parseHook(o, message(func(b *nlmsg.Builder) { b.Uint32BE(nlmsg.HookPriority, 3) }))
	require.NoError(t, err)
	assert.True(t, is, "without CONFIG_KALLSYMS it may be a flowtable's")
	assert.Equal(t, Hook{Priority: 3}, h)

	for name, fill := range map[string]func(*nlmsg.Builder){
		"another function": func(b *nlmsg.Builder) { b.String(nlmsg.HookFunction, "nft_do_chain_netdev") },
		"a chain":          whose(1, func(b *nlmsg.Builder) { b.String(nlmsg.HookDescTable, "edge") }),
		"a program":        whose(2, func(b *nlmsg.Builder) { b.Uint32BE(1, 7) }),
	} {
		_, is, err := parseHook(o, message(fill))
		require.NoError(t, err, name)
		assert.False(t, is, name)
	}
	for name, fill := range map[string]func(*nlmsg.Builder){
		"a short priority":           func(b *nlmsg.Builder) { b.Uint8(nlmsg.HookPriority, 1) },
		"a flowtable without a name": whose(nlmsg.HookTypeFlowtable, func(b *nlmsg.Builder) { b.String(nlmsg.HookDescTable, "fw") }),
	} {
		_, is, err := parseHook(o, message(fill))
		require.ErrorIs(t, err, nlmsg.ErrMalformed, name)
		assert.False(t, is, name)
	}
}

// FuzzHook reads messages of the hook dump.
func FuzzHook(f *testing.F) {
	for _, release := range []string{"6.12", "7.2"} {
		addData(f, hookMessages(f, release))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, o := range bothOrders() {
			bounded(t, len(data), func() {
				h, is, err := parseHook(o, nlmsg.Message{Type: nlmsg.HookType(nlmsg.HookMsgGet), Data: data})
				switch {
				case malformed(t, err), !is:
					if is || h != (Hook{}) {
						t.Fatalf("%+v of what is no flowtable's hook", h)
					}
				case (h.Table == "") != (h.Flowtable == "") || h.Table != "" && h.Family == "":
					t.Fatalf("%+v is named by half", h)
				}
				_, is, err = parseHook(o, nlmsg.Message{Type: nlmsg.TypeNoop, Data: data})
				if is || err != nil {
					t.Fatal("a message of another type is none")
				}
			})
		}
	})
}

// TestKernelHooks reads what was hooked, one dump for each device.
func TestKernelHooks(t *testing.T) {
	testns.RequireFlowtables(t)
	ns, k := openT(t)
	ctx := testContext(t)
	require.NoError(t, ns.IP(ctx, "link add lan0 type dummy", "link add wan0 type dummy", "link add idle0 type dummy"))
	require.NoError(t, ns.NFT(ctx, hookedRuleset))
	release, err := testns.Kernel()
	require.NoError(t, err)
	named := release.AtLeast(6, 17)
	list, err := k.Hooks(ctx, []string{"wan0", "none0", "lan0", "idle0"})
	debianHas := release.AtLeast(6, 12) && !release.AtLeast(6, 16) || release.AtLeast(7, 0)
	if !debianHas && err != nil {
		require.ErrorIs(t, err, errors.ErrUnsupported)
		assert.ErrorContains(t, err, "CONFIG_NETFILTER_NETLINK_HOOK")
		return
	}
	require.NoError(t, err)
	if *update {
		printHooks(t, k)
	}
	lan := hooksOfLan0(named)
	assert.Equal(t, []DeviceHooks{
		{"wan0", true, lan[1:2]}, {"none0", false, nil}, {"lan0", true, lan}, {"idle0", true, nil},
	}, list)

	require.NoError(t, ns.NFT(ctx, "delete table ip four"))
	list, err = k.Hooks(ctx, []string{"lan0"})
	require.NoError(t, err)
	assert.Equal(t, slices.Delete(lan, 2, 3), list[0].Hooks)
}

// printHooks prints what the kernel says of lan0.
func printHooks(t *testing.T, k *Kernel) {
	t.Helper()
	sock, err := k.ns.Dial(unix.NETLINK_NETFILTER, nlsock.Config{})
	require.NoError(t, err)
	defer sock.Close()
	for m, err := range sock.Dump(testContext(t), hooksRequest(nlmsg.Native(), "lan0")) {
		require.NoError(t, err)
		t.Logf("captured: %x %x %x", m.Type, m.Flags, m.Data)
	}
}
