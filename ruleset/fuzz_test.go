package ruleset

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nftvalue"
)

// FuzzParse holds Parse and Validate to: no panic whatever comes; errors of the promised types; what is valid survives a round
// trip through JSON and a walk through Resolve and WriteNFT, twice with equal results.
func FuzzParse(f *testing.F) {
	for _, s := range declared() {
		text, err := json.Marshal(s.spec)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, spec := range policies() {
		text, err := json.Marshal(spec)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, text := range []string{
		"", "{}", "[]", "null", `{"tables":null}`, `{"tables":[{}]}`, `{"tables":[{"name":"x","chains":[{"name":"c","rules":[{"do":[{}]}]}]}]}`,
		`{"tables":[{"name":"x","sets":[{"name":"s","type":"ifname","interval":true,"elements":["a*","b"]}]}]}`,
		`{"tables":[{"name":"x","chains":[{"name":"c","rules":[{"do":[{"jump":"c"}]}]}]}]}`,
		`{"tables":[{"name":"x","chains":[{"name":"c","rules":[{"do":[{"set":{"field":"ct mark","value":"0x1","mask":"0x3"}}]}]}]}]}`,
		`{"tables":[{"name":"x","chains":[{"name":"c","rules":[{"do":[{"raw":{"text":"x","expr":["AA=="]}}]}]}]}]}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		spec, err := Parse(bytes.NewReader(text))
		if err != nil {
			var mistake *ParseError
			if !errors.As(err, &mistake) || mistake.Line < 1 || mistake.Column < 1 {
				t.Fatalf("Parse answered %#v", err)
			}
			return
		}
		_ = spec.Lint()
		if err := spec.Validate(); err != nil {
			var field *flowtable.FieldError
			if !errors.As(err, &field) {
				t.Fatalf("Validate answered %#v", err)
			}
			return
		}
		roundTrip(t, spec)
		if lowered := spec.lowered(); lowered.Validate() != nil {
			t.Fatalf("valid policies became invalid chains: %v", lowered.Validate())
		}
		if first, second := writeNFT(t, spec), writeNFT(t, spec); first != second {
			t.Fatalf("two texts of one Spec:\n%s", cmp.Diff(first, second))
		}
	})
}

func roundTrip(t *testing.T, spec *Spec) {
	t.Helper()
	text, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("our own JSON does not parse: %v\n%s", err, text)
	}
	twice, err := json.Marshal(again)
	if err != nil || !bytes.Equal(text, twice) {
		t.Fatalf("JSON changed on the round trip: %v\n%s", err, cmp.Diff(string(text), string(twice)))
	}
}

func writeNFT(t *testing.T, spec *Spec) string {
	t.Helper()
	r, err := spec.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := r.WriteNFT(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// FuzzParseValue reads words of every kind: no panic, bounds of the right width and order, and a text that reads back the same.
func FuzzParseValue(f *testing.F) {
	for _, word := range []string{"", "@", "eth0", "ppp*", "1-2", "10.0.0.0/8", "::/0", "0.0.0.0/0", "::ffff:1.2.3.4", "::ffff:1.2.3.4/120", "0x10", "ef", "tcp", "new", "-", "1-", "-1"} {
		for kind := nftvalue.IPv4; kind <= nftvalue.Meter; kind++ {
			f.Add(int(kind), word)
		}
	}
	f.Fuzz(func(t *testing.T, kind int, word string) {
		k := nftvalue.Kind(kind)
		v, err := nftvalue.Parse(k, word)
		if err != nil {
			return
		}
		if w := k.Width(); w != 0 && (len(v.Low) != w || len(v.High) != w) {
			t.Fatalf("%q became %v, want %d bytes", word, v, w)
		}
		if bytes.Compare(v.Low, v.UpperName()) > 0 {
			t.Fatalf("%q became %v, which is backwards", word, v)
		}
		if k.Width() == 0 || k == nftvalue.CTState || k == nftvalue.CTStatus || k == nftvalue.TCPFlags {
			return // quoted, or spelled as they were given
		}
		again, err := nftvalue.Parse(k, v.Text(k))
		if err != nil || !bytes.Equal(again.Low, v.Low) || !bytes.Equal(again.High, v.High) {
			t.Fatalf("%q became %v, and its text %q became %v, %v", word, v, v.Text(k), again, err)
		}
	})
}

var errFull = errors.New("disk full")

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestWriteNFTPassesWriteErrorsOn(t *testing.T) {
	r, err := oneTable(Table{Name: "x"}).Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.WriteNFT(io.Writer(fullDisk{})); !errors.Is(err, errFull) {
		t.Fatalf("WriteNFT answered %v", err)
	}
}
