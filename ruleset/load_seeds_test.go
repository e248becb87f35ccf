package ruleset

import (
	"bufio"
	enchex "encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// loadSeeds are dumps captured from kernels, all little endian: testdata/dumps/KERNEL.txt, one message a line, its type, its
// generation and its data in hexadecimal. TestKernelDump writes them with -update.
func loadSeeds(t testing.TB) []Message {
	t.Helper()
	files, err := filepath.Glob("testdata/dumps/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var all []Message
	for _, file := range files {
		all = append(all, readDump(t, file)...)
	}
	return all
}

func readDump(t testing.TB, file string) []Message {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	var list []Message
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) != 3 || words[0] == "#" {
			continue
		}
		typ, err := strconv.ParseUint(words[0], 0, 16)
		require.NoError(t, err)
		generation, err := strconv.ParseUint(words[1], 10, 16)
		require.NoError(t, err)
		data, err := enchex.DecodeString(words[2])
		require.NoError(t, err)
		list = append(list, Message{Type: uint16(typ), Generation: uint16(generation), Data: data})
	}
	require.NoError(t, lines.Err())
	return list
}

// TestLoadCaptured reads the dumps of real kernels back.
func TestLoadCaptured(t *testing.T) {
	files, err := filepath.Glob("testdata/dumps/*.txt")
	require.NoError(t, err)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) {
			l, err := load(nlmsg.LittleEndian, "", func(yield func(Message, error) bool) {
				for _, m := range readDump(t, file) {
					if !yield(m, nil) {
						return
					}
				}
			})
			require.NoError(t, err)
			assert.NotZero(t, l.Generation())
			assert.False(t, l.Torn())
			tables := l.Tables()
			require.Len(t, tables, 2)
			assert.Equal(t, []string{"fastpath", ""}, []string{tables[0].Owner, tables[1].Owner})
			assert.Equal(t, []string{"ours", "theirs"}, []string{tables[0].Name, tables[1].Name})
			if name == "host-6.18" {
				assert.Empty(t, l.Flowtables(), "this kernel has no flowtables")
				return
			}
			checkCapturedFlowtables(t, l, strings.HasPrefix(name, "7."))
		})
	}
}

// checkCapturedFlowtables compares with capturedSpec.
func checkCapturedFlowtables(t *testing.T, l *Loaded, wildcards bool) {
	t.Helper()
	got := l.Flowtables()
	for i := range got {
		assert.NotZero(t, got[i].Handle)
		got[i].Handle = 0
	}
	fast := []flowtable.Selector{{Name: "lan0"}, {Name: "wan0"}}
	if wildcards {
		fast = append(fast, flowtable.Selector{Prefix: "ppp"})
	}
	assert.ElementsMatch(t, []LoadedFlowtable{
		{Family: Inet, Table: "ours", Name: "fast", Priority: -1, Devices: sortedDevices(fast), Flags: 2, Use: 2},
		{Family: Inet, Table: "ours", Name: "plain", Priority: 10},
	}, []LoadedFlowtable{withSortedDevices(got[0]), withSortedDevices(got[1])})
	assert.Len(t, got, 2)
}

// sortedDevices sorts in the order of names, for kernels keep their own.
func sortedDevices(list []flowtable.Selector) []flowtable.Selector {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b flowtable.Selector) int { return strings.Compare(a.Name+a.Prefix+"*", b.Name+b.Prefix+"*") })
	return list
}

func withSortedDevices(f LoadedFlowtable) LoadedFlowtable {
	f.Devices = sortedDevices(f.Devices)
	return f
}

// capturedSpec is what the dumps hold, beside a table of someone else. Wildcards need Linux 6.16.
func capturedSpec(flowtables, wildcards bool) *Spec {
	table := Table{Name: "ours",
		Sets: []Set{{Name: "slow", Type: IPv4Addr, Interval: true, Elements: []string{"10.0.0.0/8", "192.0.2.1"}}},
		Chains: []Chain{
			{Name: "c", Hook: Forward, Policy: VerdictDrop, Rules: []Rule{
				R(CTState.Is(Established), L4Proto.Is(TCP, UDP), IPSaddr.NotIn("slow"), Counter(), Accept()).Note("a comment"),
				R(TCPDport.Between(1024, 2047), Limit(3, "minute"), Log("x "), Drop()),
			}},
			{Name: "n", Type: NATChain, Hook: Postrouting, Priority: "srcnat", Rules: []Rule{R(OIFName.Is("wan*"), Masquerade())}},
		}}
	if flowtables {
		fast := flowtable.Spec{Name: "fast", Priority: "filter - 1", Devices: []flowtable.Selector{{Name: "lan0"}, {Name: "wan0"}}}
		if wildcards {
			fast.Devices = append(fast.Devices, flowtable.Selector{Prefix: "ppp"})
		}
		table.Flowtables = []flowtable.Spec{fast, {Name: "plain", Priority: "10", NoCounter: true}}
		table.Chains[0].Rules = append(table.Chains[0].Rules, R(TCPDport.Is(80), FlowAdd("fast")), R(L4Proto.Is(UDP), FlowAdd("fast")))
	}
	return &Spec{Tables: []Table{table}}
}
