package vm

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// tarSink collects the archive of files that the guest sends.
type tarSink struct{ bytes.Buffer }

// extract writes the regular files of the archive below dir.
func (s *tarSink) extract(dir string) error {
	r := tar.NewReader(&s.Buffer)
	for {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("files from the guest: %w", err)
		}
		if !filepath.IsLocal(h.Name) {
			return fmt.Errorf("files from the guest: name %q leads out of the folder", h.Name)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			return fmt.Errorf("files from the guest: %s: %w", h.Name, err)
		}
		to := filepath.Join(dir, h.Name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, b, 0o644); err != nil {
			return err
		}
	}
}
