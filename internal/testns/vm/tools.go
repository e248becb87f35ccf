package vm

import (
	"context"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"sort"
	"strings"
)

// hostTools are the programs this package runs or copies into the guest, each
// with the Debian package that brings it.
var hostTools = map[string]string{
	"qemu-system-x86_64": "qemu-system-x86",
	"busybox":            "busybox-static",
	"depmod":             "kmod",
	"xz":                 "xz-utils",
	"zstd":               "zstd",
	"gcc-12":             "gcc-12",
	"make":               "make",
	"objcopy":            "binutils",
	"nft":                "nftables",
	"conntrack":          "conntrack",
	"ip":                 "iproute2",
	"pppd":               "ppp",
	"pppoe-server":       "pppoe",
	"wg":                 "wireguard-tools",
	"dpkg-deb":           "dpkg",
	"unshare":            "util-linux",
	"setpriv":            "util-linux",
	"flock":              "util-linux",
}

// EnsureTools installs the host's missing tools from the suites that the system
// already has. It needs root only if something is missing.
func EnsureTools(ctx context.Context, say func(string, ...any)) error {
	return installTools(ctx, hostTools, say)
}

func installTools(ctx context.Context, tools map[string]string, say func(string, ...any)) error {
	missing := missingTools(tools)
	if len(missing) == 0 {
		return nil
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("tools are missing; as root run: apt-get install --no-install-recommends %s", strings.Join(missing, " "))
	}
	say("installing %s", strings.Join(missing, " "))
	env := []string{"DEBIAN_FRONTEND=noninteractive"}
	install := append([]string{"-q", "-y", "-o", "DPkg::Lock::Timeout=300", "install", "--no-install-recommends"}, missing...)
	if _, err := commandEnv(ctx, "", env, "apt-get", install...); err == nil {
		return nil
	}
	if _, err := commandEnv(ctx, "", env, "apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", "update"); err != nil {
		return err
	}
	_, err := commandEnv(ctx, "", env, "apt-get", install...)
	return err
}

func missingTools(tools map[string]string) []string {
	var pkgs []string
	for tool, pkg := range tools {
		path := findTool(tool)
		if path == "" || tool == "busybox" && !isStatic(path) { // in the guest it has no libraries of this host
			pkgs = append(pkgs, pkg)
		}
	}
	sort.Strings(pkgs)
	return pkgs
}

func isStatic(path string) bool {
	f, err := elf.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return false
		}
	}
	return true
}

// findTool looks in PATH and where administrators' tools live; "" if absent.
func findTool(name string) string {
	if p, err := exec.LookPath(name); err == nil {
		return p
	}
	for _, d := range []string{"/usr/sbin/", "/sbin/", "/usr/bin/", "/bin/"} {
		if exists(d + name) {
			return d + name
		}
	}
	return ""
}
