//go:build linux

package main

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/go-fastpath/fastpath/internal/testns/vm/wire"
)

// port writes frames to the host. It is safe for concurrent use.
type port struct {
	mu sync.Mutex
	fd int
}

// openPort finds the virtio-serial port of this name. The descriptor blocks: a
// host that does not read stops the jobs, nothing is lost.
func openPort(name string) (*port, error) {
	ports, err := filepath.Glob("/sys/class/virtio-ports/*/name")
	if err != nil {
		return nil, err
	}
	for _, p := range ports {
		b, err := os.ReadFile(p)
		if err != nil || strings.TrimSpace(string(b)) != name {
			continue
		}
		dev := "/dev/" + filepath.Base(filepath.Dir(p))
		fd, err := syscall.Open(dev, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", dev, err)
		}
		return &port{fd: fd}, nil
	}
	return nil, fmt.Errorf("no virtio port %q among %d ports", name, len(ports))
}

func (p *port) send(f wire.Frame) error { return p.write(wire.Append(nil, f)) }

func (p *port) sendJSON(kind wire.Kind, job int, v any) error {
	b, err := wire.AppendJSON(nil, kind, job, v)
	if err != nil {
		return err
	}
	return p.write(b)
}

// trouble tells the host why the guest gives up, and returns err.
func (p *port) trouble(err error) error {
	p.send(wire.Frame{Kind: wire.Trouble, Payload: []byte(err.Error())})
	return err
}

func (p *port) write(b []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(b) > 0 {
		n, err := syscall.Write(p.fd, b)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// stream is an io.Writer whose bytes become frames of one kind and job.
type stream struct {
	p    *port
	kind wire.Kind
	job  int
}

func (s stream) Write(b []byte) (int, error) {
	const chunk = 16 << 10
	for i := 0; i < len(b); i += chunk {
		part := b[i:min(i+chunk, len(b))]
		if err := s.p.send(wire.Frame{Kind: s.kind, Job: s.job, Payload: part}); err != nil {
			return i, err
		}
	}
	return len(b), nil
}

// sendTree sends the regular files below dir as a tar archive; nothing if there are none.
func (p *port) sendTree(dir string) error {
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) == 0 {
		return err
	}
	w := tar.NewWriter(stream{p: p, kind: wire.Tar})
	for _, f := range files {
		if err := addFile(w, dir, f); err != nil {
			return err
		}
	}
	return w.Close()
}

func addFile(w *tar.Writer, dir, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	name, err := filepath.Rel(dir, path)
	if err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: st.Size()}); err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}
