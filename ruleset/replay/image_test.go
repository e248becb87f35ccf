package replay_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/ruleset"
	"github.com/go-fastpath/fastpath/ruleset/replay"
)

var orders = []binary.ByteOrder{binary.LittleEndian, binary.BigEndian}

// TestImage reads back what Resolved.Image wrote, for both byte orders on any machine.
func TestImage(t *testing.T) {
	for _, order := range orders {
		data := imageOf(t, routerSpec("wan0", "lan0", "ppp*"), order)
		assert.Equal(t, data, imageOf(t, routerSpec("ppp*", "lan0", "wan0"), order), "equal rulesets give equal bytes")
		image, err := replay.Read(data)
		require.NoError(t, err)
		assert.Equal(t, order, image.Order)
		var devices []string
		for _, d := range image.Devices {
			devices = append(devices, d.String())
			b, err := ruleset.ParseBatch(order, d.Batch)
			require.NoError(t, err)
			op, ok := b.Operation(1)
			require.True(t, ok)
			assert.Equal(t, ruleset.Operation{Verb: ruleset.VerbAdd, Kind: ruleset.KindFlowtable, Family: ruleset.Inet, Table: "router", Name: "fast"}, op)
		}
		assert.Equal(t, []string{
			"device lan0 of flowtable inet router fast", "device ppp* of flowtable inet router fast", "device wan0 of flowtable inet router fast",
		}, devices)
		base, err := ruleset.ParseBatch(order, image.Base)
		require.NoError(t, err)
		var first []string
		for i := 1; i <= 4; i++ {
			op, _ := base.Operation(i)
			first = append(first, op.String())
		}
		assert.Equal(t, []string{"add table inet router", "delete table inet router", "create table inet router", "add chain inet router forward"}, first)
		var text bytes.Buffer
		require.NoError(t, base.WriteText(&text))
		assert.NotContains(t, text.String(), "lan0", "the base names no device")
		assert.Contains(t, text.String(), "NFT_MSG_NEWFLOWTABLE")
	}
}

// TestImageWithoutFlowtables: there need not be a device, or a table.
func TestImageWithoutFlowtables(t *testing.T) {
	for _, s := range []*ruleset.Spec{routerSpec(), {}} {
		image, err := replay.Read(imageOf(t, s, nil))
		require.NoError(t, err)
		assert.Empty(t, image.Devices)
	}
}

// TestImageRefusesRawOfOtherOrder: a caller's own expressions are in the byte order of the machine that encoded them.
func TestImageRefusesRawOfOtherOrder(t *testing.T) {
	little := []byte{12, 0, 1, 0, 'c', 'o', 'u', 'n', 't', 'e', 'r', 0, 4, 0, 2, 0x80}
	s := &ruleset.Spec{Tables: []ruleset.Table{{Name: "t", Chains: []ruleset.Chain{{Name: "c", Rules: []ruleset.Rule{
		ruleset.R(ruleset.Statement{Raw: &ruleset.Raw{Text: "counter", Expr: [][]byte{little}}}),
	}}}}}}
	_, err := resolved(t, s).Image(binary.LittleEndian)
	require.NoError(t, err)
	_, err = resolved(t, s).Image(binary.BigEndian)
	require.ErrorContains(t, err, "table inet t, chain c, rule 0")
	require.ErrorContains(t, err, "BigEndian")
}

// TestReadRefusesEveryFlippedByte: the checksum covers the whole image.
func TestReadRefusesEveryFlippedByte(t *testing.T) {
	data := imageOf(t, routerSpec("lan0"), nil)
	for i := range data {
		damaged := bytes.Clone(data)
		damaged[i] ^= 0x20
		_, err := replay.Read(damaged)
		require.ErrorIs(t, err, replay.ErrMalformed, "byte %d", i)
		_, err = replay.Read(data[:i])
		require.ErrorIs(t, err, replay.ErrMalformed, "the first %d bytes", i)
	}
	damaged := bytes.Clone(data)
	damaged[len(damaged)/2] ^= 1
	_, err := replay.Read(damaged)
	require.ErrorIs(t, err, replay.ErrChecksum)
	_, err = replay.Read(append(bytes.Clone(data), 0))
	require.ErrorIs(t, err, replay.ErrMalformed)
}

// A section is a kind and a batch of an image under construction.
type section struct {
	kind  uint32
	batch []byte
}

// container puts sections into an image whose header and checksum are right.
func container(order binary.ByteOrder, sections ...section) []byte {
	b := append([]byte("FASTPATH"), 0, 1, 1, 0)
	if order == binary.BigEndian {
		b[10] = 2
	}
	b = append(b, make([]byte, 8)...)
	binary.BigEndian.PutUint32(b[16:], uint32(len(sections)))
	for _, s := range sections {
		b = binary.BigEndian.AppendUint32(b, s.kind)
		b = binary.BigEndian.AppendUint32(b, uint32(len(s.batch)))
		b = append(b, s.batch...)
	}
	return seal(append(b, 0, 0, 0, 0))
}

// seal fills length and checksum in.
func seal(image []byte) []byte {
	end := len(image) - 4
	binary.BigEndian.PutUint32(image[12:], uint32(len(image)))
	binary.BigEndian.PutUint32(image[end:], crc32.ChecksumIEEE(image[:end]))
	return image
}

// A number of 32 bits is told as it stands, where int has no more than that either.
func TestReadTellsLargeNumbers(t *testing.T) {
	image := container(binary.LittleEndian)
	binary.BigEndian.PutUint32(image[12:], 1<<32-1)
	_, err := replay.Read(image)
	require.ErrorContains(t, err, "it has 4294967295 bytes")
	good, err := replay.Read(imageOf(t, routerSpec("lan0"), binary.LittleEndian))
	require.NoError(t, err)
	_, err = replay.Read(container(binary.LittleEndian, section{1 << 31, good.Base}))
	require.ErrorContains(t, err, "of kind 2147483648")
}

// TestReadRefuses what has a right checksum and does not what its place says.
func TestReadRefuses(t *testing.T) {
	order := binary.LittleEndian
	image, err := replay.Read(imageOf(t, routerSpec("lan0"), order))
	require.NoError(t, err)
	base, device := image.Base, image.Devices[0].Batch
	_, err = replay.Read(container(order, section{1, base}, section{2, device}))
	require.NoError(t, err, "the container of this test is right")

	changed := func(batch []byte, change func(b []byte) []byte) []byte { return change(bytes.Clone(batch)) }
	flags := func(f uint16) func([]byte) []byte { // of the first message behind BATCH_BEGIN
		return func(b []byte) []byte { order.PutUint16(b[20+6:], order.Uint16(b[20+6:])|f); return b }
	}
	for name, bad := range map[string][]byte{
		"no section":            container(order),
		"no base":               container(order, section{2, device}),
		"two bases":             container(order, section{1, base}, section{1, base}),
		"unknown kind":          container(order, section{1, base}, section{3, device}),
		"a base as a device":    container(order, section{1, base}, section{2, base}),
		"an empty base":         container(order, section{1, nil}),
		"other byte order":      container(binary.BigEndian, section{1, base}, section{2, device}),
		"a base of no mark":     container(order, section{1, changed(base, flags(0x200))}),
		"an exclusive device":   container(order, section{1, base}, section{2, changed(device, flags(0x200))}),
		"a batch without end":   container(order, section{1, base[:len(base)-20]}),
		"a batch without begin": container(order, section{1, base[20:]}),
		"two batches":           container(order, section{1, append(bytes.Clone(base), base...)}),
		"a device with flags":   container(order, section{1, base}, section{2, changed(device, withFlags)}),
		"a pinned base":         container(order, section{1, changed(base, pinned)}),
		"a later version":       seal(changed(container(order, section{1, base}), func(b []byte) []byte { b[9] = 2; return b })),
		"no byte order":         seal(changed(container(order, section{1, base}), func(b []byte) []byte { b[10] = 0; return b })),
		"too few sections":      seal(changed(container(order, section{1, base}, section{2, device}), func(b []byte) []byte { b[19] = 1; return b })),
		"too many sections":     seal(changed(container(order, section{1, base}, section{2, device}), func(b []byte) []byte { b[19] = 3; return b })),
	} {
		_, err := replay.Read(bad)
		if name == "other byte order" {
			require.ErrorIs(t, err, replay.ErrByteOrder, name)
		} else {
			require.ErrorIs(t, err, replay.ErrMalformed, name)
		}
	}
}

// withFlags appends NFTA_FLOWTABLE_FLAGS to the update in a batch of one device.
func withFlags(b []byte) []byte {
	end := len(b) - 20
	order := binary.LittleEndian
	out := append(bytes.Clone(b[:end]), 8, 0, 7, 0, 0, 0, 0, 0)
	order.PutUint32(out[20:], order.Uint32(out[20:])+8)
	return append(out, b[end:]...)
}

// pinned gives BATCH_BEGIN a generation.
func pinned(b []byte) []byte {
	out := append(bytes.Clone(b[:20]), 8, 0, 1, 0, 0, 0, 0, 9)
	binary.LittleEndian.PutUint32(out, 28)
	return append(out, b[20:]...)
}

// FuzzRead reads images whose header and checksum are right, so that what is inside is reached: what passes can be printed, and a kernel that
// has tables of others, in the same families and partly of the same names, keeps them.
func FuzzRead(f *testing.F) {
	for _, order := range orders {
		f.Add(imageOf(f, routerSpec("lan0", "ppp*"), order))
		f.Add(imageOf(f, routerSpec(), order))
	}
	f.Add([]byte("FASTPATH"))
	for _, base := range hostile(f) {
		f.Add(container(binary.LittleEndian, section{1, base}))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		data = bytes.Clone(data)
		if len(data) >= 24 {
			copy(data, "FASTPATH\x00\x01")
			seal(data)
		}
		image, err := replay.Read(data)
		if err != nil {
			return
		}
		base, err := ruleset.ParseBatch(image.Order, image.Base)
		require.NoError(t, err)
		require.NoError(t, base.WriteText(bytes.NewBuffer(nil)))
		touchesOnlyItsOwn(t, image)
		for _, d := range image.Devices {
			b, err := ruleset.ParseBatch(image.Order, d.Batch)
			require.NoError(t, err)
			op, ok := b.Operation(1)
			require.True(t, ok)
			assert.Equal(t, d.Flowtable, op.Name)
			assert.Equal(t, d.Table, op.Table)
		}
	})
}
