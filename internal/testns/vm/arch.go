package vm

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// emulators are the programs of Debian's qemu-user by Go's name of the processor that they emulate. Go's programs for 386 crash under
// qemu-i386 ("bad g in signal handler", qemu 7.2).
var emulators = map[string]string{
	"amd64": "qemu-x86_64", "arm": "qemu-arm", "arm64": "qemu-aarch64", "mips": "qemu-mips",
	"mipsle": "qemu-mipsel", "ppc64le": "qemu-ppc64le", "riscv64": "qemu-riscv64", "s390x": "qemu-s390x",
}

// RunArch runs the tests of packages, with -test.short, for another processor, under an emulator where this one cannot run its programs; that
// takes ten times as long. The tests have no privileges: qemu translates few of netlink's messages, so what needs a kernel is skipped, as for anybody who is not root.
func (m *Module) RunArch(ctx context.Context, c *Cache, goarch string, patterns []string, o TestOptions, say func(string, ...any), w io.Writer) Summary {
	goarch, instead := insteadOf386(goarch, runtime.GOARCH, runs386)
	runner, err := archRunner(ctx, goarch, runtime.GOARCH, os.Geteuid() == 0, say)
	if err != nil {
		fmt.Fprintf(w, "NOT RUN: %v\n", err)
		return Summary{Name: goarch, NotRun: firstLine(err.Error())}
	}
	o.Flags = append([]string{"-test.short"}, o.Flags...)
	s := m.testHere(ctx, c, &processor{goarch: goarch}, runner, patterns, o, w)
	s.Name, s.Detail = goarch, "natively"
	if needsEmulator(goarch, runtime.GOARCH) {
		s.Detail = emulators[goarch] + instead
	}
	told := s.Result
	told.Skips = slices.DeleteFunc(slices.Clone(told.Skips), func(o Outcome) bool { return strings.HasPrefix(o.Text, noNamespaces) })
	told.WriteDetails(w)
	return s
}

// noNamespaces begins the reason of a skip that is the rule here (internal/testns).
const noNamespaces = "cannot make network namespaces"

// archRunner is the command that a test binary is run by. It installs the emulator where that is missing.
func archRunner(ctx context.Context, goarch, host string, root bool, say func(string, ...any)) ([]string, error) {
	var runner []string
	if root { // no capability outlives the next exec, so that root is a user like any other
		runner = []string{"setpriv", "--bounding-set=-all", "--inh-caps=-all"}
	}
	if !needsEmulator(goarch, host) {
		return runner, nil
	}
	emulator, ok := emulators[goarch]
	if !ok {
		return nil, fmt.Errorf("no emulator is known for the processor %q", goarch)
	}
	if err := installTools(ctx, map[string]string{emulator: "qemu-user"}, say); err != nil {
		return nil, fmt.Errorf("%s cannot be had: %w", emulator, err)
	}
	return append(runner, emulator), nil
}

// needsEmulator is asked after insteadOf386: what is left of 386 runs natively.
func needsEmulator(goarch, host string) bool { return goarch != host && goarch != "386" }

// insteadOf386 is arm, which has 32 bits too, where a host cannot run programs for 386, and says so.
func insteadOf386(goarch, host string, runs386 func() bool) (use, note string) {
	if goarch != "386" || host == "386" || host == "amd64" && runs386() {
		return goarch, ""
	}
	return "arm", ", in place of 386, whose programs this machine does not run"
}

// runs386 reports whether this kernel runs programs of 32 bits: some are built without, or run below one that does not
// (CONFIG_IA32_EMULATION, ia32_emulation=off). It tries.
func runs386() bool {
	dir, err := os.MkdirTemp("", "fastpath-386-")
	if err != nil {
		return false
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "exit")
	return os.WriteFile(program, program386(), 0o755) == nil && exec.Command(program).Run() == nil
}

// program386 is a program that ends at once: an ELF header, the header of one segment, and exit(0).
func program386() []byte {
	const base, headers = 0x08048000, 52 + 32
	code := []byte{0x31, 0xdb, 0x31, 0xc0, 0x40, 0xcd, 0x80} // xor ebx, ebx; xor eax, eax; inc eax; int 0x80
	size := uint32(headers + len(code))
	b := append([]byte("\x7fELF\x01\x01\x01"), make([]byte, 9)...) // 32 bits, little-endian, version 1
	half, word := binary.LittleEndian.AppendUint16, binary.LittleEndian.AppendUint32
	b = half(half(b, 2), 3)                                   // ET_EXEC, EM_386
	for _, w := range []uint32{1, base + headers, 52, 0, 0} { // version, entry, program headers at, sections at, flags
		b = word(b, w)
	}
	for _, h := range []uint16{52, 32, 1, 0, 0, 0} { // sizes and numbers of headers
		b = half(b, h)
	}
	for _, w := range []uint32{1, 0, base, base, size, size, 5, 0x1000} { // PT_LOAD: all of the file, to read and to run
		b = word(b, w)
	}
	return append(b, code...)
}
