package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// An nftFile is a ruleset in nft's own listing form, the one that nft reads fastest.
type nftFile struct{ path string }

func newNFTFile(folder, name, text string) (*nftFile, error) {
	f := &nftFile{filepath.Join(folder, name)}
	return f, os.WriteFile(f.path, []byte(text), 0o600)
}

// apply is `nft -f` as a whole process.
func (f *nftFile) apply(ctx context.Context, ns *testns.Namespace) (sample, error) {
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "nft", "-f", f.path)
	cmd.Stderr = &stderr
	start := time.Now()
	err := ns.Start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	s := sample{wall: time.Since(start)}
	if err != nil {
		return s, fmt.Errorf("nft -f %s: %w: %s", f.path, err, stderr.String())
	}
	s.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return s, nil
}

// listing is the namespace's ruleset as nft prints it, without counters' values. It is asked for until it comes out the same
// twice: while a large set is rehashed, which the kernel does after the commit, dumps repeat elements and leave out others.
func listing(ctx context.Context, ns *testns.Namespace) (string, error) {
	last := ""
	for {
		text, err := ns.Run(ctx, "", "nft", "-s", "list", "ruleset")
		if err != nil || sameRuleset(last, text) {
			return text, err
		}
		last = text
		time.Sleep(settle)
	}
}
