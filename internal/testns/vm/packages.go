package vm

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
)

// Module is the Go module whose packages are built for the guest.
type Module struct {
	Path string // import path
	Dir  string // root folder
}

// FindModule finds the module of the working directory.
func FindModule(ctx context.Context) (*Module, error) {
	out, err := command(ctx, "", "go", "list", "-m", "-json")
	if err != nil {
		return nil, err
	}
	var m Module
	if err := json.Unmarshal(out, &m); err != nil {
		return nil, fmt.Errorf("go list -m: %w", err)
	}
	return &m, nil
}

// testPackage is one package and, once built, its test binary.
type testPackage struct {
	ImportPath string
	Dir        string
	Name       string
	TestGoFiles,
	XTestGoFiles []string
	binary string
}

func (p *testPackage) hasTests() bool { return len(p.TestGoFiles)+len(p.XTestGoFiles) > 0 }

// listPackages resolves patterns to packages, for the guest's platform.
func listPackages(ctx context.Context, p *processor, patterns []string) ([]*testPackage, error) {
	args := append([]string{"list", "-json=ImportPath,Dir,Name,TestGoFiles,XTestGoFiles"}, patterns...)
	out, err := commandEnv(ctx, "", p.goEnviron(), "go", args...)
	if err != nil {
		return nil, err
	}
	var pkgs []*testPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		pkg := &testPackage{}
		if err := d.Decode(pkg); err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		pkgs = append(pkgs, pkg)
	}
	return pkgs, nil
}

// short is the package's path below the module, for file names and messages.
func (m *Module) short(importPath string) string {
	if importPath == m.Path {
		return "."
	}
	return "./" + strings.TrimPrefix(importPath, m.Path+"/")
}

// guestDir is where a package of the module lies in the guest.
func (m *Module) guestDir(importPath string) string {
	return path.Join("/src", m.short(importPath))
}

// buildTests compiles the test binary of each package into dir. Binaries are kept in the cache too,
// so that unchanged ones are not linked again.
func (m *Module) buildTests(ctx context.Context, c *Cache, p *processor, pkgs []*testPackage, dir string) error {
	rounds := rounds(pkgs)
	return m.buildEach(ctx, c, len(rounds), func(i int) error {
		// A folder for each round: a file there is always of the same package.
		kept := c.path("bin", hashOf(m.Dir), fmt.Sprintf("%s-tests-%d", p.goarch, i))
		args := []string{"test", "-c", "-trimpath", "-ldflags=-s -w", "-o", kept + "/"}
		for _, pkg := range rounds[i] {
			args = append(args, pkg.ImportPath)
		}
		if _, err := commandEnv(ctx, m.Dir, p.goEnviron(), "go", args...); err != nil {
			return err
		}
		for _, pkg := range rounds[i] {
			name := strings.ReplaceAll(strings.TrimPrefix(m.short(pkg.ImportPath), "./"), "/", "_") + ".test"
			pkg.binary = filepath.Join(dir, name)
			if err := copyFile(pkg.binary, filepath.Join(kept, path.Base(pkg.ImportPath)+".test")); err != nil {
				return err
			}
		}
		return nil
	})
}

// rounds deals packages out so that no two of a round have the same last name: one go test -c
// compiles many packages, and names each binary after its package alone.
func rounds(pkgs []*testPackage) [][]*testPackage {
	var all [][]*testPackage
	seen := map[string]int{}
	for _, p := range pkgs {
		base := path.Base(p.ImportPath)
		i := seen[base]
		seen[base]++
		if i == len(all) {
			all = append(all, nil)
		}
		all[i] = append(all[i], p)
	}
	return all
}

// buildProgram compiles a main package (a folder or an import path) for the guest.
func (m *Module) buildProgram(ctx context.Context, c *Cache, p *processor, pkg, to string) error {
	return m.buildEach(ctx, c, 1, func(int) error {
		kept := c.path("bin", hashOf(m.Dir), p.goarch+"-program-"+hashOf(pkg))
		if _, err := commandEnv(ctx, "", p.goEnviron(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", kept, pkg); err != nil {
			return err
		}
		return copyFile(to, kept)
	})
}

// buildEach runs n builds, two at a time, under the lock of this module's
// binaries: another run must not see half a file.
func (m *Module) buildEach(ctx context.Context, c *Cache, n int, build func(int) error) error {
	key := hashOf(m.Dir)
	if err := os.MkdirAll(c.path("bin", key), 0o755); err != nil {
		return err
	}
	unlock, err := c.lock("bin-" + key)
	if err != nil {
		return err
	}
	defer unlock()
	errs := make([]error, n)
	slots := make(chan struct{}, 2)
	var wg sync.WaitGroup
	for i := range n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			slots <- struct{}{}
			defer func() { <-slots }()
			if ctx.Err() == nil {
				errs[i] = build(i)
			}
		}()
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// guestInit builds the guest's /init.
func (m *Module) guestInit(ctx context.Context, c *Cache, p *processor, dir string) (string, error) {
	to := filepath.Join(dir, "init")
	return to, m.buildProgram(ctx, c, p, m.Path+"/internal/testns/vm/guest", to)
}

// dataFiles are the files of a package folder that its tests may read: all that
// is no Go source, and testdata with everything below. Guest path -> host path.
func dataFiles(dir, guestDir string) (map[string]string, error) {
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		inData := rel == "testdata" || strings.HasPrefix(rel, "testdata/")
		switch {
		case d.IsDir() && p != dir && !inData:
			return filepath.SkipDir
		case d.Type().IsRegular() && (inData || filepath.Ext(p) != ".go"):
			files[path.Join(guestDir, rel)] = p
		}
		return nil
	})
	return files, err
}
