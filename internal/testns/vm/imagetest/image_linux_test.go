package imagetest

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// folder is where the images are: for each Spec NAME and each byte order NAME.ORDER.image and NAME.ORDER.nft, NAME.devices, and loader.
func folder(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("FASTPATH_IMAGES")
	if dir == "" {
		t.Skip("no images: fastpath-vm bigendian builds them on its host and brings them")
	}
	return dir
}

// orders are this machine's byte order and the other one, as the files are named.
func orders() (own, other string) {
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		return "big", "little"
	}
	return "little", "big"
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.devices"))
	require.NoError(t, err)
	require.NotEmpty(t, files, "%s holds no images", dir)
	for i, f := range files {
		files[i] = strings.TrimSuffix(filepath.Base(f), ".devices")
	}
	return files
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(data)
}

// appliance makes a namespace with the devices of a Spec, without those that are left out.
func appliance(t *testing.T, dir, name string, without ...string) *testns.Namespace {
	t.Helper()
	ns := testns.NewT(t, name)
	for _, d := range strings.Fields(read(t, filepath.Join(dir, name+".devices"))) {
		if !slices.Contains(without, d) {
			require.NoError(t, ns.IP(t.Context(), "link add "+d+" type dummy"))
		}
	}
	return ns
}

// listing is the ruleset with the devices of each flowtable in order: nft 1.0.6 prints them in the kernel's.
func listing(t *testing.T, ns *testns.Namespace) string {
	t.Helper()
	text, err := ns.Ruleset(t.Context())
	require.NoError(t, err)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.Contains(line, "devices = {") {
			words := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune("\t {,}=", r) })
			slices.Sort(words)
			lines[i] = strings.Join(words, " ")
		}
	}
	return strings.Join(lines, "\n")
}

// TestImages: nft lists what the loader made of an image as it lists what it made of the static file itself, also the second time.
func TestImages(t *testing.T) {
	dir := folder(t)
	own, _ := orders()
	for _, name := range names(t, dir) {
		t.Run(name, func(t *testing.T) {
			byText, byImage := appliance(t, dir, name), appliance(t, dir, name)
			text := read(t, filepath.Join(dir, name+"."+own+".nft"))
			for range 2 {
				require.NoError(t, byText.NFT(t.Context(), text))
				r := load(t, byImage, dir, name+"."+own+".image")
				require.Zero(t, r.status, r.said)
				assert.Empty(t, r.said, "nothing is left out")
				got := listing(t, byImage)
				assert.Equal(t, listing(t, byText), got)
				assert.Contains(t, got, "table ")
			}
		})
	}
}

// TestImagesOfTheOtherByteOrder: the loader says what is wrong with them, and nothing is loaded.
func TestImagesOfTheOtherByteOrder(t *testing.T) {
	dir := folder(t)
	_, other := orders()
	for _, name := range names(t, dir) {
		ns := appliance(t, dir, name)
		r := load(t, ns, dir, name+"."+other+".image")
		assert.Equal(t, 1, r.status)
		assert.Contains(t, r.said, "the other byte order")
		assert.Empty(t, listing(t, ns))
	}
}

// TestDeviceAppears: a device that is missing is left out and named, and added when it has come.
func TestDeviceAppears(t *testing.T) {
	dir := folder(t)
	own, _ := orders()
	ns := appliance(t, dir, "firmware-router", "ppp0")
	r := load(t, ns, dir, "firmware-router."+own+".image")
	require.Zero(t, r.status, r.said)
	assert.Contains(t, r.said, "left out device ppp0 of flowtable inet router fast: ")
	assert.NotContains(t, listing(t, ns), "ppp0")
	require.NoError(t, ns.IP(t.Context(), "link add ppp0 type dummy"))
	r = load(t, ns, dir, "firmware-router."+own+".image", "ppp0")
	require.Zero(t, r.status, r.said)
	assert.Empty(t, r.said)
	assert.Contains(t, listing(t, ns), "ppp0")
}
