package ruleset

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"strings"
	"testing"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/ruleset/replay"
)

// FuzzCompile: every Spec that Validate lets pass has a plan, nft text, and a batch in both byte orders whose messages walk to
// the end, are numbered, and belong to their operations; and an image that a loader takes.
func FuzzCompile(f *testing.F) {
	for _, spec := range goldenSpecs() {
		doc, err := json.Marshal(spec)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		spec, err := Parse(bytes.NewReader(doc))
		if err != nil {
			return
		}
		r, err := spec.Resolve(nil)
		if err != nil {
			return
		}
		p, err := Diff(nil, r)
		if err != nil {
			t.Fatal(err)
		}
		if lines := strings.Count(p.String(), "\n"); lines != len(p.Operations()) {
			t.Fatalf("%d lines for %d operations", lines, len(p.Operations()))
		}
		for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			b, err := p.Batch(order)
			if err != nil {
				t.Fatal(err)
			}
			checkBatch(t, b)
			if image, err := r.Image(order); err == nil { // Raw statements are of one byte order
				if _, err := replay.Read(image); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// checkBatch walks every message of a batch.
func checkBatch(t *testing.T, b *Batch) {
	raw := false
	for _, op := range b.operations {
		if r, ok := op.Rule(); ok {
			for _, s := range r.Do {
				raw = raw || s.Raw != nil
			}
		}
	}
	i := 0
	for rest := b.Bytes(); len(rest) > 0; i++ {
		m, next, err := nlmsg.NextMessage(b.order, rest)
		if err != nil {
			t.Fatal(err)
		}
		if m.Seq != uint32(i) {
			t.Fatalf("message %d has the number %d", i, m.Seq)
		}
		rest = next
	}
	if i != b.Messages() {
		t.Fatalf("%d messages, not %d", i, b.Messages())
	}
	var text strings.Builder
	if err := b.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if !raw && (strings.Contains(text.String(), "not an attribute") || strings.Contains(text.String(), "without NUL")) {
		t.Fatal(text.String())
	}
}
