package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/go-fastpath/fastpath/internal/testns/vm/wire"
)

// Program is one executable to run in the guest.
type Program struct {
	Path    string // an executable, or the folder or import path of a Go main package
	Args    []string
	Env     []string
	Timeout time.Duration // of the boot; zero means 20 minutes
	OutDir  string        // files from $FASTPATH_OUT go here
}

// RunProgram boots k, runs p with its output on stdout and stderr, and returns
// its exit status. What the runner itself has to say goes to say.
func (m *Module) RunProgram(ctx context.Context, c *Cache, k *Kernel, p Program, stdout, stderr io.Writer, say func(string, ...any)) (int, error) {
	dir, err := os.MkdirTemp("", "fastpath-program-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	init, err := m.guestInit(ctx, c, k.processor(), dir)
	if err != nil {
		return 0, err
	}
	bin, data, err := m.programFiles(ctx, c, k.processor(), p.Path, dir)
	if err != nil {
		return 0, err
	}
	guestBin := "/program/" + filepath.Base(bin)
	data[guestBin] = bin
	timeout := p.Timeout
	if timeout == 0 {
		timeout = 20 * time.Minute
	}
	var status wire.ExitStatus
	b := &Boot{Cache: c, Kernel: k, Init: init, Files: data, Timeout: timeout, OutDir: p.OutDir, Say: say,
		Jobs: []wire.Job{{Name: p.Path, Dir: "/src", Argv: append([]string{guestBin}, p.Args...), Env: p.Env, Seconds: int(timeout.Seconds())}},
		OnFrame: func(f wire.Frame) error {
			switch f.Kind {
			case wire.Stdout:
				stdout.Write(f.Payload)
			case wire.Stderr:
				stderr.Write(f.Payload)
			case wire.Exit:
				return json.Unmarshal(f.Payload, &status)
			}
			return nil
		}}
	if err := b.Run(ctx); err != nil {
		return 0, err
	}
	if status.Err != "" {
		say("%s: %s", p.Path, status.Err)
	}
	return status.Code, nil
}

// RunProgramHere runs p on this machine and returns its exit status.
func (m *Module) RunProgramHere(ctx context.Context, c *Cache, p Program, stdout, stderr io.Writer) (int, error) {
	dir, err := os.MkdirTemp("", "fastpath-program-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	bin, _, err := m.programFiles(ctx, c, amd64(), p.Path, dir)
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, bin, p.Args...)
	cmd.Env = append(os.Environ(), p.Env...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // let it clean up
	cmd.WaitDelay = 10 * time.Second
	err = cmd.Run()
	if e := (*exec.ExitError)(nil); errors.As(err, &e) && e.ExitCode() >= 0 {
		return e.ExitCode(), nil
	}
	return 0, err
}

// HostHasFlowtables asks this machine's kernel, in a namespace that is thrown away.
func HostHasFlowtables(ctx context.Context) bool {
	flags := []string{"--net"}
	if os.Geteuid() != 0 {
		flags = append(flags, "--user", "--map-root-user")
	}
	_, err := command(ctx, "", findTool("unshare"), append(flags, findTool("nft"),
		"add table inet t; add flowtable inet t f { hook ingress priority 0; }")...)
	return err == nil
}

// programFiles builds a Go package, or takes an executable as it is. A
// package's data files lie in the working directory of the guest.
func (m *Module) programFiles(ctx context.Context, c *Cache, p *processor, path, dir string) (string, map[string]string, error) {
	if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() {
		return path, map[string]string{}, nil
	}
	pkgs, err := listPackages(ctx, p, []string{path})
	if err != nil {
		return "", nil, err
	}
	if len(pkgs) != 1 || pkgs[0].Name != "main" {
		return "", nil, fmt.Errorf("%s: want an executable file or one Go main package", path)
	}
	bin := filepath.Join(dir, "program")
	if err := m.buildProgram(ctx, c, p, pkgs[0].ImportPath, bin); err != nil {
		return "", nil, err
	}
	data, err := dataFiles(pkgs[0].Dir, "/src")
	return bin, data, err
}
