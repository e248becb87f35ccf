package vm

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// foreignPackages bring the tools of a guest whose processor is none of the hosts', with all that they depend on.
func foreignPackages() []string {
	return strings.Fields("busybox-static dash bash nftables conntrack iproute2")
}

// relativeLinks makes links of absolute paths below root, such as sbin/ip to /bin/ip, lead to the file below root instead of the
// host's.
func relativeLinks(root string) error {
	return filepath.WalkDir(root, func(link string, d fs.DirEntry, err error) error {
		if err != nil || d.Type() != fs.ModeSymlink {
			return err
		}
		to, err := os.Readlink(link)
		if err != nil || !filepath.IsAbs(to) {
			return err
		}
		to, err = filepath.Rel(filepath.Dir(link), filepath.Join(root, to))
		if err != nil {
			return err
		}
		if err := os.Remove(link); err != nil {
			return err
		}
		return os.Symlink(to, link)
	})
}

// foreignFiles are the files of such a guest: guest path -> file of the host, or "->target". The names of busybox's applets are the
// host's busybox's, which is of the same kind.
func foreignFiles(ctx context.Context, root, library string) (map[string]string, error) {
	files, err := applets(ctx, filepath.Join(root, "bin/busybox"))
	if err != nil {
		return nil, err
	}
	for _, t := range guestTools {
		if err := addTool(files, root, library, t); err != nil {
			return nil, err
		}
	}
	return files, nil
}
