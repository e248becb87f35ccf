package fastpath_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// What firmware has room for: a loader that grows beyond is no loader any more.
const (
	loaderPackage   = module + "/examples/firmware/loader"
	loaderSizeAMD64 = 2_000_000
	loaderSizeMIPS  = 2_100_000
)

// TestLoaderSize builds the loader as firmware would and weighs it.
func TestLoaderSize(t *testing.T) {
	for arch, limit := range map[string]int64{"amd64": loaderSizeAMD64, "mipsle": loaderSizeMIPS} {
		file := filepath.Join(t.TempDir(), arch)
		goTool(t, arch, "build", "-trimpath", "-ldflags", "-s -w", "-o", file, loaderPackage)
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes, at most %d", arch, info.Size(), limit)
		if info.Size() >= limit {
			t.Errorf("the loader for %s has %d bytes, want less than %d", arch, info.Size(), limit)
		}
	}
}

// TestLoaderDependencies: what it does without, all the way down.
func TestLoaderDependencies(t *testing.T) {
	deps := strings.Fields(goTool(t, "amd64", "list", "-deps", loaderPackage))
	for _, refused := range []string{"fmt", "encoding/json", "net", "github.com/mdlayher/netlink", module + "/ruleset", module + "/internal/nlmsg"} {
		if slices.Contains(deps, refused) {
			t.Errorf("the loader depends on %s", refused)
		}
	}
	if !slices.Contains(deps, module+"/ruleset/replay") {
		t.Errorf("the loader does not depend on ruleset/replay: %v", deps)
	}
}

// goTool runs the go command for a Linux without cgo.
func goTool(t *testing.T, arch string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	out, err := cmd.Output()
	if err != nil {
		if exit, ok := err.(*exec.ExitError); ok {
			t.Fatalf("go %s: %v\n%s", args[0], err, exit.Stderr)
		}
		t.Fatalf("go %s: %v", args[0], err)
	}
	return string(out)
}
