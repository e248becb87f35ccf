package main

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A result is what one run of firmware left.
type result struct {
	status   int
	out, err string
}

// firmware runs a command in this process; stdin is what - reads.
func firmware(stdin string, args ...string) result {
	var out, err bytes.Buffer
	status := run(args, strings.NewReader(stdin), &out, &err)
	return result{status, out.String(), err.String()}
}

func (r result) assertRefused(t *testing.T, status int, says ...string) {
	t.Helper()
	assert.Equal(t, status, r.status, "exit status; stderr: %s", r.err)
	for _, text := range says {
		assert.Contains(t, r.err, text)
	}
	assert.NotContains(t, r.err, "goroutine ")
	assert.NotContains(t, r.err, "%!")
}

// A built pair of files.
type built struct {
	nft, image string
	result     result
}

// buildFiles runs firmware build with flags on a SPEC.
func buildFiles(t *testing.T, spec string, flags ...string) built {
	t.Helper()
	dir := t.TempDir()
	b := built{nft: filepath.Join(dir, "out.nft"), image: filepath.Join(dir, "out.image")}
	args := append([]string{"build", "-nft", b.nft, "-image", b.image}, flags...)
	b.result = firmware(spec, append(args, "-")...)
	require.Equal(t, exitDone, b.result.status, b.result.err)
	return b
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(data)
}

func router(t *testing.T) string { return read(t, "router.json") }

func TestUsage(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		says []string
	}{
		"no command":      {nil, []string{"usage: firmware build"}},
		"unknown command": {[]string{"flash"}, []string{"usage: firmware build"}},
		"no output":       {[]string{"build", "router.json"}, []string{"-nft FILE"}},
		"no spec":         {[]string{"build", "-nft", "x"}, []string{"wants one file"}},
		"two images":      {[]string{"check", "a", "b"}, []string{"wants one file"}},
		"unknown flag":    {[]string{"check", "-netns", "x", "a"}, []string{"-netns"}},
		"byte order":      {[]string{"build", "-nft", "x", "-order", "middle", "router.json"}, []string{`"middle"`, "little or big"}},
		"kernel":          {[]string{"build", "-nft", "x", "-kernel", "new", "router.json"}, []string{`"new"`, "6.12"}},
		"device":          {[]string{"build", "-nft", "x", "-devices", "lan0,a/b", "router.json"}, []string{"-devices", `a/b`}},
	} {
		t.Run(name, func(t *testing.T) { firmware("", test.args...).assertRefused(t, exitUsage, test.says...) })
	}
	assert.Equal(t, exitDone, firmware("", "build", "-h").status)
	firmware("", "build", "-nft", "x", "nowhere.json").assertRefused(t, exitFailed, "nowhere.json")
	firmware("", "build", "-nft", "x", "-devices", "@nowhere", "router.json").assertRefused(t, exitFailed, "nowhere")
	firmware("", "check", "nowhere.image").assertRefused(t, exitFailed, "nowhere.image")
}

// TestInvalidSpec: mistakes are named, and no file is written. A name that nft cannot spell is one of them.
func TestInvalidSpec(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	for spec, says := range map[string]string{
		`{"tables": [{"name": "offload"}]}`: "offload",
		`{"tables": [{"nam": "t"}]}`:        "nam",
		``:                                  "empty",
		`{"tables": [{"name": "t", "chains": [{"name": "c", "rules": [{"do": [{"jump": "nowhere"}]}]}]}]}`: "tables[0].chains[0].rules[0]",
	} {
		firmware(spec, "build", "-nft", out, "-image", out, "-").assertRefused(t, exitUsage, says)
	}
	assert.NoFileExists(t, out)
}

// TestBuild: equal input gives equal files, for both byte orders, and the image is what check says.
func TestBuild(t *testing.T) {
	first := buildFiles(t, router(t), "-devices", "lan0,wan0 ppp0")
	again := buildFiles(t, router(t), "-devices", "@"+writeFile(t, "ppp0\nwan0\nlan0\n"))
	assert.Equal(t, read(t, first.nft), read(t, again.nft))
	assert.Equal(t, read(t, first.image), read(t, again.image))
	assert.Empty(t, first.result.err)
	assert.Contains(t, read(t, first.nft), `devices = { "lan0", "ppp0", "wan0" };`)

	for _, order := range []string{"little", "big"} {
		b := buildFiles(t, router(t), "-devices", "lan0,wan0,ppp0", "-order", order)
		assert.Equal(t, read(t, first.nft), read(t, b.nft), "text knows no byte order")
		r := firmware("", "check", b.image)
		require.Equal(t, exitDone, r.status, r.err)
		assert.Contains(t, strings.ToLower(r.out), order+"endian")
		_, text, _ := strings.Cut(r.out, "\n")
		assert.Equal(t, wantCheck, text[strings.Index(text, "\n")+1:])
		all := firmware("", "check", "-messages", b.image)
		require.Equal(t, exitDone, all.status, all.err)
		assert.Contains(t, all.out, `NFTA_DEVICE_NAME "ppp0"`)
		assert.Contains(t, all.out, `NFTA_FLOW_TABLE_NAME "fast"`)
	}
}

// wantCheck is what check prints of router.json, below its two first lines.
const wantCheck = `  add table inet router
  delete table inet router
  create table inet router
  add chain inet router forward
  add chain inet router srcnat
  add set inet router slow
  add element inet router slow
  add flowtable inet router fast
  add rule inet router forward
  add set inet router __set%d
  add element inet router __set%d
  add rule inet router forward (3 times)
  add set inet router __set%d
  add element inet router __set%d
  add rule inet router srcnat
then 3 of one device each; what the kernel refuses is left out:
  add flowtable inet router fast { devices = { "lan0" } }
  add flowtable inet router fast { devices = { "ppp0" } }
  add flowtable inet router fast { devices = { "wan0" } }
`

func writeFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
	return name
}

// TestDevices: what the appliance does not have, or its kernel does not take, is left out of both files, and said.
func TestDevices(t *testing.T) {
	for name, test := range map[string]struct {
		flags  []string
		listed string
		says   string
	}{
		"none given: those that the spec names": {nil, `"lan0", "wan0"`, "device ppp* is left out"},
		"not all":                               {[]string{"-devices", "lan0,ppp1,ppp0"}, `"lan0", "ppp0", "ppp1"`, "device wan0 is left out"},
		"an old kernel":                         {[]string{"-kernel", "6.12.5"}, `"lan0", "wan0"`, "device ppp* is left out"},
		"a new kernel":                          {[]string{"-kernel", "6.16", "-devices", "lan0"}, `"lan0", "ppp*", "wan0"`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := buildFiles(t, router(t), test.flags...)
			assert.Contains(t, read(t, b.nft), "devices = { "+test.listed+" };")
			assert.Contains(t, b.result.err, test.says)
			out := firmware("", "check", b.image).out
			assert.Equal(t, strings.Count(test.listed, ",")+1, strings.Count(out, "devices = {"), out)
		})
	}
	only := `{"tables": [{"name": "t", "flowtables": [{"name": "f", "devices": [{"prefix": "ppp"}]}]}]}`
	assert.NotContains(t, read(t, buildFiles(t, only).nft), "devices")
}

// TestHardwareWarning: a refusal at boot is survived, what may come after it is said.
func TestHardwareWarning(t *testing.T) {
	b := buildFiles(t, `{"tables": [{"name": "t", "flowtables": [{"name": "f", "hardware": "on", "devices": [{"name": "lan0"}]}]}]}`)
	assert.Contains(t, b.result.err, "flowtable f asks drivers for hardware offload")
	assert.Contains(t, read(t, b.nft), "flags offload")
}

// TestRaw: nobody can check a raw statement's text without nft, so no nft file is made of it.
func TestRaw(t *testing.T) {
	raw := `{"tables": [{"name": "t", "chains": [{"name": "c", "rules": [{"do": [{"raw": {"text": "count er", "expr": ["DAABAGNvdW50ZXIABAACgA=="]}}]}]}]}]}`
	out := filepath.Join(t.TempDir(), "out")
	firmware(raw, "build", "-nft", out, "-").assertRefused(t, exitUsage, "add rule inet t c", "count er")
	assert.NoFileExists(t, out)
	assert.Equal(t, exitDone, firmware(raw, "build", "-image", out, "-").status)
	firmware(raw, "build", "-image", out, "-order", "big", "-").assertRefused(t, exitUsage, "table inet t, chain c, rule 0")
}

// TestCheckRefuses images that are damaged, and files that are none.
func TestCheckRefuses(t *testing.T) {
	good := read(t, buildFiles(t, router(t)).image)
	for name, test := range map[string]struct{ data, says string }{
		"empty":    {"", "no image"},
		"text":     {"table inet t { }\n" + strings.Repeat("#", 64), "no image"},
		"cut":      {good[:len(good)-5], "bytes"},
		"damaged":  {good[:200] + "x" + good[201:], "checksum"},
		"appended": {good + "x", "bytes"},
		"forged":   {forged(good), "message 1 of the base (add table inet router) declares no table of its own, or the next one does not delete that table"},
	} {
		t.Run(name, func(t *testing.T) {
			firmware("", "check", writeFile(t, test.data)).assertRefused(t, exitUsage, test.says)
		})
	}
}

// forged has a base that deletes every table instead of its own, and a right checksum.
func forged(good string) string {
	image := []byte(good)
	name := bytes.Index(image, []byte("\x0b\x00\x01\x00router\x00"))
	second := name + 1 + bytes.Index(image[name+1:], []byte("\x0b\x00\x01\x00router\x00"))
	image[second+2] = 99 // an attribute that kernels do not know: a DELTABLE without a name
	end := len(image) - 4
	binary.BigEndian.PutUint32(image[end:], crc32.ChecksumIEEE(image[:end]))
	return string(image)
}
