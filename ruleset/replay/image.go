package replay

import (
	"encoding/binary"
	"hash/crc32"
	"strconv"
)

// The container of an image. Its own numbers are big endian on every machine; the batches in it are in the byte order that it
// names. ruleset/image.go writes it; docs/firmware.md describes it.
//
//	8 bytes  "FASTPATH"
//	2        version, 1
//	1        byte order of the batches: 1 little endian, 2 big endian
//	1        0
//	4        length of the whole image
//	4        number of sections: the base, then one for each device
//	         sections: 4 bytes kind (1 base, 2 device), 4 bytes length, a batch
//	4        CRC-32 (IEEE) of all before it
const (
	imageMagic   = "FASTPATH"
	imageVersion = 1
	imageHeader  = 20
	imageTrailer = 4

	orderLittle = 1
	orderBig    = 2

	sectionHeader = 8
	sectionBase   = 1
	sectionDevice = 2
)

// An Image is a ruleset that waits to be replayed. It shares memory with the bytes that it was read from. Safe for concurrent
// reading.
type Image struct {
	// Order is the byte order of the machines that it is for.
	Order binary.ByteOrder
	// Base is the batch that makes everything but the devices of flowtables.
	Base []byte
	// Devices are added one by one afterwards.
	Devices []Device

	made base // what Base makes
	base batch
}

// A Device is one device that an image adds to a flowtable. Safe for concurrent reading.
type Device struct {
	Family, Table, Flowtable string
	// Name as nft prints it; a wildcard ends in "*".
	Name string
	// Batch adds it, and needs no more than the flowtable. A device that is in the flowtable already stays.
	Batch []byte

	batch batch
}

// String is the device with its flowtable: "device eth0 of flowtable inet router fast".
func (d Device) String() string {
	return "device " + shown(d.Name) + " of flowtable " + d.Family + " " + shown(d.Table) + " " + shown(d.Flowtable)
}

// Read reads an image and checks it whole: its checksum, and each message of its batches: they make tables of one owner in
// place of those that are there, and what is in them, and add devices to their flowtables. What no image holds is refused, as docs/firmware.md
// tells in full. It needs neither the devices nor Linux. Errors match ErrMalformed, and ErrChecksum if that is the cause.
func Read(image []byte) (*Image, error) {
	order, err := readHeader(image)
	if err != nil {
		return nil, err
	}
	i := &Image{Order: order}
	rest := image[imageHeader : len(image)-imageTrailer]
	for n := range binary.BigEndian.Uint32(image[16:]) {
		kind, content, more, ok := nextSection(rest)
		if !ok {
			return nil, malformed("section " + decimal(n) + " of the image is cut off")
		}
		if err := i.section(int(n), kind, content); err != nil {
			return nil, err
		}
		rest = more
	}
	if i.Base == nil || len(rest) > 0 {
		return nil, malformed("the image has no base, or something behind its last section")
	}
	return i, nil
}

// readHeader checks what is outside of the sections.
func readHeader(image []byte) (binary.ByteOrder, error) {
	size := len(image)
	switch {
	case size < imageHeader+imageTrailer || string(image[:8]) != imageMagic:
		return nil, malformed("this is no image of a ruleset: it does not begin with " + imageMagic)
	case binary.BigEndian.Uint16(image[8:]) != imageVersion:
		return nil, malformed("the image is of version " + strconv.Itoa(int(binary.BigEndian.Uint16(image[8:]))) + ", this program reads version 1")
	case uint64(binary.BigEndian.Uint32(image[12:])) != uint64(size):
		return nil, malformed("the image says that it has " + decimal(binary.BigEndian.Uint32(image[12:])) + " bytes, it has " + strconv.Itoa(size))
	case binary.BigEndian.Uint32(image[size-imageTrailer:]) != crc32.ChecksumIEEE(image[:size-imageTrailer]):
		return nil, &invalid{ErrChecksum.Error(), ErrChecksum}
	}
	switch image[10] {
	case orderLittle:
		return binary.LittleEndian, nil
	case orderBig:
		return binary.BigEndian, nil
	}
	return nil, malformed("the image names no byte order")
}

// nextSection takes the first section off b; false if b does not begin with a whole one.
func nextSection(b []byte) (kind uint32, content, rest []byte, ok bool) {
	if len(b) < sectionHeader {
		return 0, nil, nil, false
	}
	n := binary.BigEndian.Uint32(b[4:])
	if uint64(n) > uint64(len(b)-sectionHeader) {
		return 0, nil, nil, false
	}
	end := sectionHeader + int(n)
	return binary.BigEndian.Uint32(b), b[sectionHeader:end], b[end:], true
}

// section takes section n, of which the first is the base.
func (i *Image) section(n int, kind uint32, content []byte) error {
	b, err := outline(i.Order, content)
	switch {
	case err != nil:
		return failed("section "+strconv.Itoa(n)+" of the image", err)
	case b.pinned:
		return malformed("section " + strconv.Itoa(n) + " of the image is pinned to a generation")
	case n == 0 && kind == sectionBase:
		i.Base, i.base = content, b
		i.made, err = readBase(b)
		return err
	case n > 0 && kind == sectionDevice:
		d, ok := i.made.deviceOf(b)
		if !ok {
			return refused("section " + strconv.Itoa(n) + " of the image does more, or less, than add one device to a flowtable of the base")
		}
		i.Devices = append(i.Devices, d)
		return nil
	}
	return malformed("section " + strconv.Itoa(n) + " of the image is of kind " + decimal(kind) + ", which does not belong there")
}

// Attributes of flowtables.
const (
	flowtableName = 2
	flowtableHook = 3
	hookDevices   = 3
	deviceName    = 1
	devicePrefix  = 2
)

// deviceOf reads a batch that adds one device to a flowtable of the base: table, name and a hook with the device. Flags would switch
// off what they do not name, and NLM_F_EXCL would refuse the update.
func (b *base) deviceOf(t batch) (Device, bool) {
	messages := t.inside()
	if len(messages) != 1 {
		return Device{}, false
	}
	m := messages[0]
	v, ok := formDevice.read(t.order, m)
	if !ok || !b.made[key(m, "flowtable", v[0], v[1])] {
		return Device{}, false
	}
	name := onlyDevice(t.order, v[2])
	d := Device{Family: familyName(m.data[0]), Table: text(v[0]), Flowtable: text(v[1]), Name: name, Batch: t.bytes, batch: t}
	return d, name != ""
}

// onlyDevice is the device of a hook that names one and nothing else; "" for any other.
func onlyDevice(o binary.ByteOrder, hook []byte) string {
	list, ok := readParts(o, hook, hookOfDevice)
	if !ok {
		return ""
	}
	device, more, ok := nextAttribute(o, list[0])
	switch {
	case !ok || len(more) > 0 || !isName(device.data):
		return ""
	case device.typ == deviceName:
		return text(device.data)
	case device.typ == devicePrefix:
		return text(device.data) + "*"
	}
	return ""
}
