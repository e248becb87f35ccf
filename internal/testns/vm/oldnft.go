package vm

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// Older releases of nft are in the guests of newer kernels beside sid's, each in a folder of its own: what they list of what newer kernels take
// differs. The folder holds the program and the two libraries that belong to it; the others are sid's.
const (
	trixieNFT   = "usr/lib/nft-trixie"
	bookwormNFT = "usr/lib/nft-bookworm" // the host's
)

// nftParts are an nft of a release: where they are in Debian's packages, by their names in its folder.
func nftParts() map[string]string {
	const libraries = "usr/lib/x86_64-linux-gnu"
	return map[string]string{
		"nft":              "usr/sbin/nft",
		"libnftables.so.1": filepath.Join(libraries, "libnftables.so.1"),
		"libnftnl.so.11":   filepath.Join(libraries, "libnftnl.so.11"),
	}
}

// trixieRoot is where trixie's nft is unpacked.
func (c *Cache) trixieRoot() string { return c.path("nft-trixie") }

// fetchTrixieNFT downloads and unpacks it, once.
func (c *Cache) fetchTrixieNFT(ctx context.Context, say func(string, ...any)) error {
	root := c.trixieRoot()
	if exists(root) {
		return nil
	}
	unlockRoot, err := c.lock("nft-trixie")
	if err != nil {
		return err
	}
	defer unlockRoot()
	if exists(root) {
		return nil
	}
	apt, unlock, err := c.apt(trixie())
	if err != nil {
		return err
	}
	defer unlock()
	say("downloading trixie's nft")
	if err := apt.update(ctx); err != nil {
		return err
	}
	tmp := root + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	debs := filepath.Join(tmp, "debs")
	if err := apt.download(ctx, debs, "nftables", "libnftables1", "libnftnl11"); err != nil {
		return err
	}
	if err := extractAll(ctx, debs, tmp); err != nil {
		return err
	}
	if err := os.RemoveAll(debs); err != nil {
		return err
	}
	return os.Rename(tmp, root)
}

// addOlderNFT adds both. What they need beside their own libraries is added as the host has it; the newer tools' replace it.
func (c *Cache) addOlderNFT(files map[string]string) error {
	for folder, root := range map[string]string{bookwormNFT: "/", trixieNFT: c.trixieRoot()} {
		for name, at := range nftParts() {
			path := filepath.Join(root, at)
			if !exists(path) {
				return fmt.Errorf("no %s; remove %s to download it again", path, c.trixieRoot())
			}
			files[folder+"/"+name] = path
		}
	}
	return addLibraries(files, "/", amd64().library, findTool("nft"), map[string]bool{})
}
