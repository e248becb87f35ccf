package vm

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// processor is one that kernels are booted for, in the words of Go, Debian and qemu.
type processor struct {
	goarch    string
	goEnv     []string // what Go needs to know beside
	debian    string
	kernel    string   // the package that depends on the newest kernel
	library   string   // Debian's folder of its libraries
	qemu      string   // the emulator
	qemuFrom  string   // Debian's package of the emulator
	machine   []string // arguments of the emulator
	console   []string // those that lead the kernel's log to the chardev "console"
	virtio    string   // the bus of its virtio devices
	memoryMB  int
	byteOrder string   // little or big
	lacks     []string // wanted modules that Debian does not build for it
}

// amd64 is the hosts' own. One processor: with several, qemu 7.2 can run translated code that the kernel has just patched (jump
// labels), and the guest dies of "Oops: int3".
func amd64() *processor {
	return &processor{goarch: "amd64", debian: "amd64", kernel: "linux-image-amd64", library: "x86_64-linux-gnu",
		qemu: "qemu-system-x86_64", qemuFrom: "qemu-system-x86", machine: []string{"-machine", "q35", "-cpu", "max,-erms"},
		console: []string{"-serial", "chardev:console"}, virtio: "pci", memoryMB: memoryMB, byteOrder: "little"}
}

// s390x is big-endian, with 64 bits. Linux 6.12 and later need qemu 10 for it: 7.2 computes checksums of IPv6 wrongly there.
func s390x() *processor {
	return &processor{goarch: "s390x", debian: "s390x", kernel: "linux-image-s390x", library: "s390x-linux-gnu",
		qemu: "qemu-system-s390x", qemuFrom: "qemu-system-misc", machine: []string{"-machine", "s390-ccw-virtio", "-cpu", "max"},
		console: []string{"-device", "sclpconsole,chardev=console"}, virtio: "ccw", memoryMB: 1024, byteOrder: "big",
		lacks: strings.Fields("ppp_generic ppp_async ppp_synctty pppox pppoe")}
}

// mipsel is a small appliance: little-endian, with 32 bits and 128 MB.
func mipsel() *processor {
	return &processor{goarch: "mipsle", goEnv: []string{"GOMIPS=softfloat"}, debian: "mipsel", kernel: "linux-image-4kc-malta", library: "mipsel-linux-gnu",
		qemu: "qemu-system-mipsel", qemuFrom: "qemu-system-mips", machine: []string{"-machine", "malta"},
		console: []string{"-serial", "chardev:console"}, virtio: "pci", memoryMB: 128, byteOrder: "little"}
}

// foreign reports whether it is none of the hosts': its tools come from Debian's archive of that processor, and nothing is compiled
// in C for it, so that it has no simulator of hardware offload.
func (p *processor) foreign() bool { return p.debian != "amd64" }

// goEnviron is the environment in which Go builds for it.
func (p *processor) goEnviron() []string {
	return append([]string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + p.goarch}, p.goEnv...)
}

// parts is in how many boots the packages of one kernel run: those of an emulated processor are all it has to do.
func (p *processor) parts() int {
	if p.foreign() {
		return 1
	}
	return parts
}

// install gets its emulator where that is missing.
func (p *processor) install(ctx context.Context, say func(string, ...any)) error {
	if err := installTools(ctx, map[string]string{p.qemu: p.qemuFrom}, say); err != nil {
		return fmt.Errorf("%w: %s cannot be had: %w", ErrUnavailable, p.qemu, err)
	}
	return nil
}

// ForeignSelectors are the kernels of other processors.
func ForeignSelectors() (all []string) {
	for _, c := range choices() {
		if c.processor().foreign() {
			all = append(all, c.selector)
		}
	}
	return all
}

// processorOf is the processor of a kernel, by its selector.
func processorOf(selector string) *processor {
	if c, err := choose(selector); err == nil {
		return c.processor()
	}
	return amd64()
}

func (k *Kernel) processor() *processor { return processorOf(k.Selector) }

// wanted are the modules that the kernel has to have.
func (k *Kernel) wanted() []string {
	lacks := k.processor().lacks
	return slices.DeleteFunc(wantedModules(), func(m string) bool { return slices.Contains(lacks, m) })
}
