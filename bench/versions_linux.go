package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// writeVersions says what is compared, on what.
func writeVersions(ctx context.Context, w io.Writer) error {
	nft, err := exec.CommandContext(ctx, "nft", "--version").Output()
	if err != nil {
		return fmt.Errorf("nft, which fastpath is compared with: %w", err)
	}
	kernel, err := testns.Kernel()
	if err != nil {
		return err
	}
	tool, err := exec.CommandContext(ctx, "conntrack", "--version").Output()
	if err != nil {
		return fmt.Errorf("conntrack, which fastpath is compared with: %w; install package conntrack", err)
	}
	fmt.Fprintf(w, "%s\n%s\n", strings.TrimSpace(string(nft)), strings.TrimSpace(string(tool)))
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			switch d.Path {
			case "github.com/google/nftables", "github.com/mdlayher/netlink", "github.com/ti-mo/conntrack", "github.com/vishvananda/netlink":
				fmt.Fprintf(w, "%s %s\n", d.Path, d.Version)
			}
		}
	}
	fmt.Fprintf(w, "%s, Linux %s, %s, %d processors\n", runtime.Version(), kernel, runtime.GOARCH, runtime.NumCPU())
	return nil
}
