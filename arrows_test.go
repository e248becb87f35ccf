package fastpath_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/go-fastpath/fastpath"

// A room is one package folder: what its product files may import beside the standard library, and the parts of the
// standard library that it must keep out. docs/ARCHITECTURE.md draws the same arrows.
type room struct {
	imports []string // rooms of this module
	modules []string // other modules, in any product file
	linux   []string // other modules, in files named *_linux.go only
	pure    bool     // no sockets, no files, no environment
}

var rooms = map[string]room{
	"":                     {},
	"flowtable":            {pure: true},
	"internal/nlmsg":       {pure: true},
	"internal/mark":        {pure: true},
	"internal/strictjson":  {pure: true},
	"internal/runlock":     {pure: true, imports: []string{"internal/nlmsg"}},
	"internal/nftvalue":    {pure: true, imports: []string{"flowtable"}},
	"ruleset":              {pure: true, imports: []string{"flowtable", "internal/mark", "internal/nlmsg", "internal/runlock", "internal/nftvalue", "internal/strictjson"}},
	"ruleset/rawexpr":      {imports: []string{"ruleset", "internal/nlmsg"}, linux: []string{"github.com/google/nftables"}},
	"ruleset/judge":        {pure: true, imports: []string{"ruleset", "flowtable", "internal/nlmsg"}},
	"ruleset/replay":       {modules: []string{"golang.org/x/sys/unix"}},
	"internal/nlsock":      {imports: []string{"internal/nlmsg"}, modules: []string{"github.com/mdlayher/netlink", "golang.org/x/sys/unix"}},
	"conntrack":            {imports: []string{"internal/nlsock", "internal/nlmsg"}, linux: []string{"golang.org/x/sys/unix"}},
	"internal/kernel":      {imports: []string{"ruleset", "flowtable", "internal/mark", "internal/nlsock", "internal/nlmsg", "internal/runlock"}, linux: []string{"golang.org/x/sys/unix"}},
	"offload":              {imports: []string{"ruleset", "ruleset/judge", "flowtable", "conntrack", "internal/mark", "internal/kernel", "internal/nlsock", "internal/nlmsg", "internal/runlock"}, linux: []string{"golang.org/x/sys/unix"}},
	"offload/offloadtest":  {imports: []string{"offload", "ruleset", "flowtable", "conntrack", "internal/mark", "internal/testns", "internal/nlmsg", "internal/runlock"}},
	"internal/testns":      {imports: []string{"flowtable"}, linux: []string{"golang.org/x/sys/unix"}},
	"internal/testns/vm":   {imports: []string{"internal/oncehost", "internal/testns/vm/wire"}},
	"internal/benchvm":     {imports: []string{"offload", "ruleset", "flowtable", "internal/kernel", "internal/testns", "internal/goal"}},
	"internal/goal":        {pure: true},
	"internal/oncehost":    {},
	"cmd/flowctl":          {imports: []string{"offload", "ruleset", "flowtable", "conntrack"}},
	"examples/controller":  {imports: []string{"offload", "ruleset", "flowtable"}},
	"examples/appliance":   {imports: []string{"offload", "ruleset", "flowtable", "internal/testns"}},
	"examples/quickstart":  {imports: []string{"offload", "ruleset", "flowtable", "conntrack", "internal/testns"}},
	"examples/firmware":    {imports: []string{"ruleset", "flowtable", "ruleset/replay"}},
	"examples/firmware/*":  {imports: []string{"ruleset/replay"}},
	"internal/testns/vm/*": {imports: []string{"internal/oncehost", "internal/testns/vm", "internal/testns/vm/wire"}, linux: []string{"golang.org/x/sys/unix"}},
}

// What a pure room keeps out: the ways to the machine.
var impure = []string{"net", "os", "os/exec", "os/signal", "syscall", "unsafe", "net/http", "runtime", "time", "log", "log/slog"}

// TestArrows parses every product file and holds its imports against the rooms' arrows.
func TestArrows(t *testing.T) {
	seen := 0
	eachProductFile(t, func(folder, name string, file *ast.File) {
		seen++
		r, ok := roomOf(folder)
		if !ok {
			t.Errorf("%s: the folder %q is no room: name it in arrows_test.go and docs/ARCHITECTURE.md", name, folder)
			return
		}
		for _, spec := range file.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			if why := r.refuses(path, name); why != "" {
				t.Errorf("%s imports %s: %s", name, path, why)
			}
		}
	})
	if seen < 20 {
		t.Fatalf("only %d files were read: is the test run in the module's root?", seen)
	}
}

// TestNoHiddenStart refuses init functions and panics in product files: nothing runs at import, bad input is an error.
func TestNoHiddenStart(t *testing.T) {
	eachProductFile(t, func(_, name string, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv == nil && n.Name.Name == "init" {
					t.Errorf("%s: func init", name)
				}
			case *ast.CallExpr:
				if id, ok := n.Fun.(*ast.Ident); ok && id.Name == "panic" {
					t.Errorf("%s: panic", name)
				}
			}
			return true
		})
	})
}

func (r room) refuses(path, file string) string {
	first, _, _ := strings.Cut(path, "/")
	rest, own := strings.CutPrefix(path, module)
	switch {
	case own:
		if slices.Contains(r.imports, strings.TrimPrefix(rest, "/")) {
			return ""
		}
		return "no arrow leads there"
	case !strings.Contains(first, "."):
		if r.pure && slices.Contains(impure, path) {
			return "a pure room knows no machine"
		}
		return ""
	case matches(r.modules, path), strings.HasSuffix(file, "_linux.go") && matches(r.linux, path):
		return ""
	}
	return "this dependency does not belong here (or not in a file that is not named *_linux.go)"
}

func matches(modules []string, path string) bool {
	return slices.ContainsFunc(modules, func(m string) bool { return path == m || strings.HasPrefix(path, m+"/") })
}

func roomOf(folder string) (room, bool) {
	if r, ok := rooms[folder]; ok {
		return r, true
	}
	for name, r := range rooms {
		if prefix, deep := strings.CutSuffix(name, "*"); deep && strings.HasPrefix(folder, prefix) {
			return r, true
		}
	}
	return room{}, false
}

// eachProductFile parses every Go file of the module that is not a test. Nested modules are houses of their own.
func eachProductFile(t *testing.T, visit func(folder, name string, file *ast.File)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if nested, _ := filepath.Glob(filepath.Join(path, "go.mod")); path != "." && (len(nested) > 0 || strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		folder := filepath.ToSlash(filepath.Dir(path))
		if folder == "." {
			folder = ""
		}
		visit(folder, filepath.ToSlash(path), file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
