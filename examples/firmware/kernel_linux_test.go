package main

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset/replay"
)

// specs are rulesets of every part that a Spec can declare; of those with flowtables only kernels that have them are asked.
func specs(t *testing.T) map[string]string {
	all := map[string]string{
		"router":   router(t),
		"empty":    `{"tables": []}`,
		"bare":     `{"tables": [{"name": "t"}, {"family": "ip6", "name": "t"}]}`,
		"owner":    `{"owner": "appliance", "tables": [{"family": "ip", "name": "fw", "chains": [{"name": "in", "hook": "input", "priority": "filter - 5", "rules": [{"do": [{"match": {"field": "tcp dport", "is": ["22", "8000-8100"]}}, {"log": {"prefix": "ssh "}}, {"verdict": "drop"}]}]}]}]}`,
		"limits":   `{"tables": [{"name": "t", "chains": [{"name": "c", "rules": [{"do": [{"limit": {"rate": 10, "per": "second"}}, {"counter": {}}, {"verdict": "return"}]}, {"do": [{"set": {"field": "meta mark", "value": "0x10", "mask": "0xff"}}]}]}]}]}`,
		"hardware": `{"tables": [{"name": "t", "flowtables": [{"name": "f", "hardware": "on", "priority": "-10", "devices": [{"name": "lan0"}, {"name": "wan0"}]}]}]}`,
		"policy":   `{"tables": [{"name": "t", "flowtables": [{"name": "fast", "devices": [{"name": "lan0"}, {"name": "wan0"}]}], "offload": [{"flowtable": "fast", "except": {"marks": [{"value": "0x10", "mask": "0xff"}], "rules": [{"do": [{"match": {"field": "udp dport", "is": ["53"]}}]}]}}]}]}`,
		"silent":   `{"tables": [{"family": "ip", "name": "t", "flowtables": [{"name": "f", "noCounter": true}, {"name": "g", "devices": [{"name": "lan0"}]}], "chains": [{"name": "c", "hook": "forward", "rules": [{"do": [{"flowAdd": "f"}]}, {"do": [{"match": {"field": "meta l4proto", "is": ["udp"]}}, {"flowAdd": "g"}]}]}]}]}`,
	}
	if have, _ := testns.HaveFlowtables(t.Context()); !have {
		for name, text := range all {
			if strings.Contains(text, "flowtables") {
				delete(all, name)
			}
		}
	}
	return all
}

// TestSameState: what nft makes of the static file is what a kernel holds after the image was replayed, also the second time.
func TestSameState(t *testing.T) {
	testns.RequireNamespaces(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for name, spec := range specs(t) {
		t.Run(name, func(t *testing.T) {
			if strings.Contains(spec, "hardware") {
				testns.RequireSimulator(t)
			}
			b := buildFiles(t, spec, "-devices", "lan0,wan0", "-order", thisOrder())
			text, image := read(t, b.nft), []byte(read(t, b.image))
			byText, byImage := withDevices(t), withDevices(t)
			for range 2 {
				require.NoError(t, byText.NFT(ctx, text), "nft refuses:\n%s", text)
				require.NoError(t, byImage.Do(func() error {
					skipped, err := replay.Load(image)
					assert.Empty(t, skipped)
					return err
				}))
				want, err := byText.Ruleset(ctx)
				require.NoError(t, err)
				got, err := byImage.Ruleset(ctx)
				require.NoError(t, err)
				assert.Equal(t, sorted(want), sorted(got))
				assert.Equal(t, strings.Contains(spec, "name"), got != "", "it holds something")
			}
		})
	}
}

// TestEveryKernelTakesTheFile: with devices that the appliance lacks left out, nft takes the file.
func TestEveryKernelTakesTheFile(t *testing.T) {
	testns.RequireFlowtables(t)
	k, err := testns.Kernel()
	require.NoError(t, err)
	for _, flags := range [][]string{{"-devices", "lan0"}, {"-devices", "lan0,ppp0", "-kernel", k.Text}, {"-kernel", "5.10", "-devices", "wan0"}} {
		b := buildFiles(t, router(t), flags...)
		ns := withDevices(t)
		require.NoError(t, ns.IP(t.Context(), "link add ppp0 type dummy"))
		require.NoError(t, ns.NFT(t.Context(), read(t, b.nft)), "%v", flags)
	}
}

// withDevices makes a namespace with lan0 and wan0.
func withDevices(t *testing.T) *testns.Namespace {
	t.Helper()
	ns := testns.NewT(t, "firmware")
	require.NoError(t, ns.IP(t.Context(), "link add lan0 type veth peer name wan0"))
	return ns
}

// sorted puts the devices of a listing in order: nft 1.0.6 prints them in the kernel's.
func sorted(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if head, list, ok := strings.Cut(line, "devices = { "); ok {
			list, tail, _ := strings.Cut(list, " }")
			names := strings.Split(list, ", ")
			slices.Sort(names)
			lines[i] = head + strings.Join(names, ", ") + tail
		}
	}
	return strings.Join(lines, "\n")
}
