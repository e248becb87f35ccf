package testns

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ethtool's ways to look at features (include/uapi/linux/ethtool.h).
const (
	ethtoolGetStrings  = 0x1b
	ethtoolGetSetInfo  = 0x37
	ethtoolGetFeatures = 0x3a
	ethtoolSetFeatures = 0x3b
	featureNames       = 4  // ETH_SS_FEATURES
	nameLength         = 32 // ETH_GSTRING_LEN
)

// A Feature is one of a device's, as `ethtool -k` lists it. It is a plain value.
type Feature struct {
	On    bool
	Fixed bool // it cannot be changed
}

// Feature reads a feature of a device by its name, such as "hw-tc-offload".
func (n *Namespace) Feature(device, name string) (f Feature, err error) {
	err = n.Do(func() error {
		bit, blocks, err := featureBit(device, name)
		if err != nil {
			return err
		}
		b := words(ethtoolGetFeatures, uint32(blocks), 4*blocks) // available, requested, active, never changed
		if err := ethtool(device, b); err != nil {
			return err
		}
		is := func(column int) bool { return word(b, 2+4*(bit/32)+column)>>(bit%32)&1 == 1 }
		f = Feature{On: is(2), Fixed: !is(0) || is(3)}
		return nil
	})
	return f, err
}

// SetFeature turns a feature of a device on or off, as `ethtool -K` does.
func (n *Namespace) SetFeature(device, name string, on bool) error {
	return n.Do(func() error {
		bit, blocks, err := featureBit(device, name)
		if err != nil {
			return err
		}
		b := words(ethtoolSetFeatures, uint32(blocks), 2*blocks) // valid, requested
		setWord(b, 2+2*(bit/32), 1<<(bit%32))
		if on {
			setWord(b, 2+2*(bit/32)+1, 1<<(bit%32))
		}
		return ethtool(device, b)
	})
}

// featureBit is the number of a feature, and how many words hold all of them.
func featureBit(device, name string) (bit, blocks int, err error) {
	info := words(ethtoolGetSetInfo, 0, 3)
	setWord(info, 2, 1<<featureNames)
	if err := ethtool(device, info); err != nil {
		return 0, 0, err
	}
	count := int(word(info, 4))
	b := words(ethtoolGetStrings, featureNames, 1+count*nameLength/4)
	setWord(b, 2, uint32(count))
	if err := ethtool(device, b); err != nil {
		return 0, 0, err
	}
	for i := range count {
		text, _, _ := bytes.Cut(b[12+i*nameLength:12+(i+1)*nameLength], []byte{0})
		if string(text) == name {
			return i, (count + 31) / 32, nil
		}
	}
	return 0, 0, fmt.Errorf("%s: the kernel knows no feature %s", device, name)
}

// words begins a request: the command, one word, and room for more.
func words(command, first uint32, more int) []byte {
	b := make([]byte, 4*(2+more))
	setWord(b, 0, command)
	setWord(b, 1, first)
	return b
}

func word(b []byte, i int) uint32       { return binary.NativeEndian.Uint32(b[4*i:]) }
func setWord(b []byte, i int, v uint32) { binary.NativeEndian.PutUint32(b[4*i:], v) }

// ethtool sends a request about a device of the thread's network namespace; the answer takes its place.
func ethtool(device string, request []byte) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var ifreq struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}
	copy(ifreq.name[:unix.IFNAMSIZ-1], device)
	ifreq.data = unsafe.Pointer(&request[0])
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&ifreq)))
	runtime.KeepAlive(request)
	if errno != 0 {
		return fmt.Errorf("ethtool %s: %w", device, errno)
	}
	return nil
}
