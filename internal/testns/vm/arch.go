package vm

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
)

// emulators are the programs of Debian's qemu-user by Go's name of the processor that they emulate.
var emulators = map[string]string{
	"386": "qemu-i386", "amd64": "qemu-x86_64", "arm": "qemu-arm", "arm64": "qemu-aarch64", "mips": "qemu-mips",
	"mipsle": "qemu-mipsel", "ppc64le": "qemu-ppc64le", "riscv64": "qemu-riscv64", "s390x": "qemu-s390x",
}

// RunArch runs `go test -short` of packages for another processor, under an emulator where this one cannot run its programs; that
// takes ten times as long. The tests have no privileges: qemu translates few of netlink's messages, so what needs a kernel is skipped, as for anybody who is not root.
func (m *Module) RunArch(ctx context.Context, goarch string, patterns, flags []string, verbose bool, say func(string, ...any), w io.Writer) Summary {
	runner, err := archRunner(ctx, goarch, runtime.GOARCH, os.Geteuid() == 0, say)
	if err != nil {
		fmt.Fprintf(w, "NOT RUN: %v\n", err)
		return Summary{Name: goarch, NotRun: firstLine(err.Error())}
	}
	flags = append([]string{"-short"}, flags...)
	if len(runner) > 0 {
		flags = append([]string{"-exec=" + strings.Join(runner, " ")}, flags...)
	}
	s := m.goTest(ctx, []string{"GOARCH=" + goarch, "CGO_ENABLED=0"}, patterns, flags, verbose, w)
	s.Name, s.Detail = goarch, "natively"
	if needsEmulator(goarch, runtime.GOARCH) {
		s.Detail = emulators[goarch]
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

func needsEmulator(goarch, host string) bool {
	return goarch != host && (goarch != "386" || host != "amd64")
}
