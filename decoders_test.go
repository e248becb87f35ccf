package fastpath_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// decoderRooms are the packages that read what the kernel says.
var decoderRooms = []string{"internal/kernel", "internal/nlsock", "internal/nlmsg", "internal/runlock"}

// notDecoders take bytes or messages without reading anything in them: they encode, send or hand on.
var notDecoders = map[string][]string{
	"internal/kernel": {"send", "try"},
	"internal/nlsock": {"Commit", "CommitEchoes", "Dump", "Do", "exchange", "send", "number", "receiveFrom"},
	"internal/nlmsg":  {"PutUint16", "PutUint32", "AppendUint16", "AppendUint32", "AppendUint64", "NewBuilder", "Raw", "Data"},
}

// TestDecodersAreFuzzed: every function of those packages that takes bytes or messages is called, directly or through others, by a fuzz
// target beside it.
func TestDecodersAreFuzzed(t *testing.T) {
	for _, room := range decoderRooms {
		decoders, calls := map[string]bool{}, map[string][]string{}
		var reached []string
		for _, fn := range functionsOf(t, room) {
			calls[fn.name] = append(calls[fn.name], fn.mentions...)
			switch {
			case fn.tests && strings.HasPrefix(fn.name, "Fuzz"):
				reached = append(reached, fn.name)
			case !fn.tests && fn.decodes && !slices.Contains(notDecoders[room], fn.name):
				decoders[fn.name] = true
			}
		}
		seen := map[string]bool{}
		for ; len(reached) > 0; reached = reached[1:] {
			if name := reached[0]; !seen[name] {
				seen[name] = true
				reached = append(reached, calls[name]...)
			}
		}
		if len(decoders) == 0 || len(seen) == 0 {
			t.Errorf("%s has %d decoders, and fuzz targets reach %d functions: is the test run in the module's root?", room, len(decoders), len(seen))
		}
		for name := range decoders {
			if !seen[name] {
				t.Errorf("%s: no fuzz target reaches %s", room, name)
			}
		}
	}
}

// A function of a package, or several methods of one name, and the words in it.
type function struct {
	name     string
	tests    bool // it stands in a test
	decodes  bool // it takes bytes or messages
	mentions []string
}

func functionsOf(t *testing.T, folder string) (list []function) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			f := function{name: fn.Name.Name, tests: strings.HasSuffix(path, "_test.go"), decodes: takesMessages(fn.Type.Params) || takesMessages(fn.Recv)}
			ast.Inspect(fn, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok {
					f.mentions = append(f.mentions, id.Name)
				}
				return true
			})
			list = append(list, f)
		}
	}
	return list
}

// takesMessages reports whether bytes, messages, attributes or acknowledgements are among parameters.
func takesMessages(parameters *ast.FieldList) bool {
	if parameters == nil {
		return false
	}
	return slices.ContainsFunc(parameters.List, func(p *ast.Field) bool {
		kind, many := p.Type, false
		if list, ok := kind.(*ast.ArrayType); ok {
			kind, many = list.Elt, true
		}
		switch kind := kind.(type) {
		case *ast.Ident:
			return kind.Name == "byte" && many || kind.Name == "Message" || kind.Name == "Attr"
		case *ast.SelectorExpr:
			return kind.Sel.Name == "Message" || kind.Sel.Name == "Attr" || kind.Sel.Name == "Ack"
		}
		return false
	})
}
