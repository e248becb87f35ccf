package vm

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
)

// unpackImage takes the ELF kernel out of a bzImage: qemu can start it directly
// (PVH), and unpacking it in emulation costs seconds at every boot. Field
// offsets are from the kernel's Documentation/arch/x86/boot.rst.
func unpackImage(ctx context.Context, bzImage, to string) error {
	b, err := os.ReadFile(bzImage)
	if err != nil {
		return err
	}
	payload, err := imagePayload(b)
	if err != nil {
		return fmt.Errorf("%s: %w", bzImage, err)
	}
	packed := to + ".packed"
	if err := os.WriteFile(packed, payload, 0o644); err != nil {
		return err
	}
	defer os.Remove(packed)
	tool := "xz"
	if bytes.HasPrefix(payload, []byte{0x28, 0xb5, 0x2f, 0xfd}) {
		tool = "zstd"
	}
	image, err := command(ctx, "", tool, "-dcq", packed)
	if err != nil {
		return err
	}
	if _, err := elf.NewFile(bytes.NewReader(image)); err != nil {
		return fmt.Errorf("%s: %w", bzImage, err)
	}
	return writeAtomic(to, image)
}

func imagePayload(b []byte) ([]byte, error) {
	const setupSects, magic, payloadOffset, payloadLength = 0x1f1, 0x202, 0x248, 0x24c
	if len(b) < 0x250 || string(b[magic:magic+4]) != "HdrS" {
		return nil, fmt.Errorf("not a bzImage")
	}
	sects := int(b[setupSects])
	if sects == 0 {
		sects = 4
	}
	start := (sects+1)*512 + int(binary.LittleEndian.Uint32(b[payloadOffset:]))
	end := start + int(binary.LittleEndian.Uint32(b[payloadLength:])) - 4 // the last 4 bytes are the unpacked size
	if start < 0 || end <= start || end > len(b) {
		return nil, fmt.Errorf("payload %d to %d of a file of %d bytes", start, end, len(b))
	}
	return b[start:end], nil
}
