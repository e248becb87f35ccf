package replay_test

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
	"github.com/go-fastpath/fastpath/ruleset/replay"
)

// load loads an image inside a namespace.
func load(ns *testns.Namespace, image []byte) (skipped []replay.Skipped, err error) {
	err = ns.Do(func() error {
		skipped, err = replay.Load(image)
		return err
	})
	return skipped, err
}

// loadDevice adds one device inside a namespace.
func loadDevice(ns *testns.Namespace, image []byte, device string) (skipped []replay.Skipped, err error) {
	err = ns.Do(func() error {
		skipped, err = replay.LoadDevice(image, device)
		return err
	})
	return skipped, err
}

// byText is what nft lists after it has read a Spec's text in a namespace with these devices.
func byText(t *testing.T, s *ruleset.Spec, devices ...string) string {
	t.Helper()
	var text strings.Builder
	require.NoError(t, resolved(t, s).WriteNFT(&text))
	ns := withDevices(t, devices...)
	require.NoError(t, ns.NFT(t.Context(), text.String()))
	return sorted(listing(t, ns))
}

// withDevices makes a namespace with dummy devices.
func withDevices(t *testing.T, devices ...string) *testns.Namespace {
	t.Helper()
	ns := testns.NewT(t, "replay")
	for _, d := range devices {
		require.NoError(t, ns.IP(t.Context(), "link add "+d+" type dummy"))
	}
	return ns
}

// sorted puts the devices of a listing in order: nft 1.0.6 prints them in the kernel's, and without quotes.
func sorted(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if head, list, ok := strings.Cut(line, "devices = { "); ok {
			list, tail, _ := strings.Cut(list, " }")
			names := strings.Split(list, ", ")
			slices.Sort(names)
			lines[i] = head + "devices = { " + strings.Join(names, ", ") + " }" + tail
		}
	}
	return strings.Join(lines, "\n")
}

// TestLoad replays an image twice: what the first made is replaced, and tables of others stay.
func TestLoad(t *testing.T) {
	want := byText(t, routerSpec())
	ns := testns.NewT(t, "load")
	for range 2 {
		skipped, err := load(ns, imageOf(t, routerSpec(), nil))
		require.NoError(t, err)
		assert.Empty(t, skipped)
		assert.Equal(t, want, listing(t, ns))
	}
	require.NoError(t, ns.NFT(t.Context(), "add table inet theirs\nadd rule inet router forward drop"))
	_, err := load(ns, imageOf(t, routerSpec(), nil))
	require.NoError(t, err)
	text := listing(t, ns)
	assert.Contains(t, text, "table inet theirs")
	assert.NotContains(t, text, "drop", "the table was replaced")
}

// TestLoadManyRules replays 10,000 rules.
func TestLoadManyRules(t *testing.T) {
	ns := testns.NewT(t, "many")
	_, err := load(ns, imageOf(t, manyRules(10_000), nil))
	require.NoError(t, err)
	assert.Equal(t, 10_000, strings.Count(listing(t, ns), "counter packets"))
}

// TestLoadThenPlan: a Manager on the running machine finds what it declares, and keeps it.
func TestLoadThenPlan(t *testing.T) {
	ns := testns.NewT(t, "plan")
	s := routerSpec()
	if have, _ := testns.HaveFlowtables(t.Context()); have {
		require.NoError(t, ns.IP(t.Context(), "link add lan0 type veth peer name wan0"))
		s = routerSpec("lan0", "wan0")
	}
	_, err := load(ns, imageOf(t, s, nil))
	require.NoError(t, err)
	m, err := offload.Open(t.Context(), &offload.Config{NetNS: ns.Path()})
	require.NoError(t, err)
	defer m.Close()
	plan, err := m.Plan(t.Context(), s)
	require.NoError(t, err)
	assert.True(t, plan.Empty(), "%s", plan)
	s.Tables[0].Sets[0].Elements = s.Tables[0].Sets[0].Elements[:1]
	plan, err = m.Plan(t.Context(), s)
	require.NoError(t, err)
	assert.Len(t, plan.Operations(), 1)
}

// TestLoadRefusesForeign: a table without the image's mark is not deleted.
func TestLoadRefusesForeign(t *testing.T) {
	for _, comment := range []string{"", `comment "managed by someone";`} {
		ns := testns.NewT(t, "foreign")
		require.NoError(t, ns.NFT(t.Context(), "table inet router { "+comment+" chain theirs { }; }"))
		before := listing(t, ns)
		_, err := load(ns, imageOf(t, routerSpec(), nil))
		require.ErrorIs(t, err, replay.ErrForeign)
		assert.ErrorContains(t, err, "table inet router")
		assert.Equal(t, before, listing(t, ns))
	}
}

// TestLoadTouchesNothingOfOthers: of an image that would delete or change what others have, nothing is sent.
func TestLoadTouchesNothingOfOthers(t *testing.T) {
	ns := testns.NewT(t, "others")
	require.NoError(t, ns.NFT(t.Context(), "table inet theirs { set s { type ipv4_addr; elements = { 192.0.2.1 }; }; chain forward { type filter hook forward priority 0; drop; }; }; table ip router { }"))
	before := listing(t, ns)
	for name, base := range hostile(t) {
		_, err := load(ns, container(binary.LittleEndian, section{1, base}))
		require.Error(t, err, name)
		require.Equal(t, before, listing(t, ns), name)
	}
}

// TestLoadRefusesOtherOrder and what is damaged, before anything is sent.
func TestLoadRefusesOtherOrder(t *testing.T) {
	ns := testns.NewT(t, "order")
	_, err := load(ns, imageOf(t, routerSpec(), otherOrder()))
	require.ErrorIs(t, err, replay.ErrByteOrder)
	_, err = load(ns, imageOf(t, routerSpec(), nil)[:100])
	require.ErrorIs(t, err, replay.ErrMalformed)
	_, err = loadDevice(ns, nil, "lan0")
	require.ErrorIs(t, err, replay.ErrMalformed)
	assert.Empty(t, listing(t, ns))
}

// TestLoadWithoutFlowtables: the base is refused as a whole, and says what.
func TestLoadWithoutFlowtables(t *testing.T) {
	if have, _ := testns.HaveFlowtables(t.Context()); have {
		_, err := load(testns.NewT(t, "flowtable"), imageOf(t, routerSpec([]string{}...), nil))
		require.NoError(t, err)
		return
	}
	ns := testns.NewT(t, "none")
	_, err := load(ns, imageOf(t, routerSpec("lan0"), nil))
	require.ErrorIs(t, err, fs.ErrNotExist)
	var refused *replay.Error
	require.True(t, errors.As(err, &refused))
	assert.Equal(t, "add flowtable inet router fast", refused.Object)
	assert.Empty(t, listing(t, ns))
}

// TestLoadDevices: the same state as from text, loaded twice.
func TestLoadDevices(t *testing.T) {
	testns.RequireFlowtables(t)
	s := routerSpec("wan0", "lan0")
	want := byText(t, s, "lan0", "wan0")
	ns := withDevices(t, "lan0", "wan0")
	for range 2 {
		skipped, err := load(ns, imageOf(t, s, nil))
		require.NoError(t, err)
		require.Empty(t, skipped)
		assert.Equal(t, want, sorted(listing(t, ns)))
	}
}

// TestLoadManyDevices: more devices than one message may name.
func TestLoadManyDevices(t *testing.T) {
	testns.RequireFlowtables(t)
	var names, links []string
	for i := range 300 {
		names = append(names, "d"+string(rune('a'+i/100))+string(rune('a'+i/10%10))+string(rune('a'+i%10)))
		links = append(links, "link add "+names[i]+" type dummy")
	}
	ns := testns.NewT(t, "many")
	require.NoError(t, ns.IP(t.Context(), links...))
	skipped, err := load(ns, imageOf(t, routerSpec(names...), nil))
	require.NoError(t, err)
	require.Empty(t, skipped)
	text := listing(t, ns)
	for _, name := range names {
		require.Contains(t, text, name)
	}
}

// TestLoadMissingDevice: a device that is not there is left out before Linux 6.16, and taken by name from then on; the others
// are served. When it has appeared, LoadDevice adds it, and the state is that of the text.
func TestLoadMissingDevice(t *testing.T) {
	testns.RequireFlowtables(t)
	k, err := testns.Kernel()
	require.NoError(t, err)
	s := routerSpec("lan0", "gone0", "wan0")
	ns := withDevices(t, "lan0", "wan0")
	image := imageOf(t, s, nil)
	skipped, err := load(ns, image)
	require.NoError(t, err)
	if k.AtLeast(6, 16) {
		require.Empty(t, skipped)
	} else {
		require.Len(t, skipped, 1)
		assert.Equal(t, "gone0", skipped[0].Device.Name)
		require.ErrorIs(t, skipped[0].Err, fs.ErrNotExist)
		assert.Equal(t, byText(t, routerSpec("lan0", "wan0"), "lan0", "wan0"), sorted(listing(t, ns)))
		again, err := loadDevice(ns, image, "gone0")
		require.NoError(t, err)
		require.Len(t, again, 1, "it is still missing")
	}
	require.NoError(t, ns.IP(t.Context(), "link add gone0 type dummy"))
	for _, device := range []string{"gone0", "gone0", "lan0", "unheard0"} {
		skipped, err = loadDevice(ns, image, device)
		require.NoError(t, err)
		require.Empty(t, skipped)
	}
	assert.Equal(t, byText(t, s, "lan0", "gone0", "wan0"), sorted(listing(t, ns)))
}

// TestLoadWildcard: kernels before 6.16 take no prefixes, and the rest is served.
func TestLoadWildcard(t *testing.T) {
	testns.RequireFlowtables(t)
	k, err := testns.Kernel()
	require.NoError(t, err)
	ns := withDevices(t, "lan0")
	skipped, err := load(ns, imageOf(t, routerSpec("lan0", "ppp*"), nil))
	require.NoError(t, err)
	if k.AtLeast(6, 16) {
		assert.Empty(t, skipped)
		return
	}
	require.Len(t, skipped, 1)
	assert.Equal(t, "ppp*", skipped[0].Device.Name)
	assert.Equal(t, byText(t, routerSpec("lan0"), "lan0"), sorted(listing(t, ns)))
}

// TestLoadTakenDevice: a device that is in another flowtable of the table (no Spec declares that) is left out.
func TestLoadTakenDevice(t *testing.T) {
	testns.RequireFlowtables(t)
	ns := withDevices(t, "lan0", "wan0")
	image, err := replay.Read(imageOf(t, routerSpec("lan0", "wan0"), nil))
	require.NoError(t, err)
	empty, err := replay.Read(imageOf(t, twoFlowtables("wan0"), nil))
	require.NoError(t, err)
	skipped, err := load(ns, container(image.Order, section{1, empty.Base}, section{2, empty.Devices[0].Batch},
		section{2, image.Devices[1].Batch}, section{2, image.Devices[0].Batch}))
	require.NoError(t, err)
	require.Len(t, skipped, 1)
	assert.Equal(t, "device wan0 of flowtable inet router fast", skipped[0].Device.String())
	require.ErrorIs(t, skipped[0].Err, fs.ErrExist)
	assert.Contains(t, listing(t, ns), "lan0")
}

// twoFlowtables declares the flowtable of routerSpec without devices, and another with one.
func twoFlowtables(device string) *ruleset.Spec {
	s := routerSpec([]string{}...)
	other := s.Tables[0].Flowtables[0]
	other.Name, other.Devices = "other", selectors([]string{device})
	s.Tables[0].Flowtables = append(s.Tables[0].Flowtables, other)
	return s
}

// TestLoadHardware: a device whose driver refuses hardware offload is left out, the others are served. The simulator refuses
// devices of this name.
func TestLoadHardware(t *testing.T) {
	testns.RequireFlowtables(t)
	testns.RequireSimulator(t)
	hardware := func(devices ...string) *ruleset.Spec {
		s := routerSpec(devices...)
		s.Tables[0].Flowtables[0].Hardware = "on"
		return s
	}
	ns := withDevices(t, "lan0", "hwno0", "wan0")
	for range 2 {
		skipped, err := load(ns, imageOf(t, hardware("lan0", "hwno0", "wan0"), nil))
		require.NoError(t, err)
		require.Len(t, skipped, 1)
		assert.Equal(t, "hwno0", skipped[0].Device.Name)
		require.ErrorIs(t, skipped[0].Err, errors.ErrUnsupported)
		assert.Equal(t, byText(t, hardware("lan0", "wan0"), "lan0", "wan0"), sorted(listing(t, ns)))
	}
}

// TestLoadTraffic: with one device missing, the others carry traffic past the classic path.
func TestLoadTraffic(t *testing.T) {
	testns.RequireFlowtables(t)
	r := testns.NewRouterT(t, nil)
	skipped, err := load(r.NS, imageOf(t, routerSpec(r.LANDevice, "gone0", r.WANDevice), nil))
	require.NoError(t, err)
	for _, s := range skipped {
		assert.Equal(t, "gone0", s.Device.Name)
	}
	for _, network := range []string{"tcp", "udp"} {
		testns.AssertFastPath(t, r, r.DialT(t, network, testns.IPv4), time.Minute)
	}
}
