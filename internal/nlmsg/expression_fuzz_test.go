package nlmsg

import (
	"bytes"
	"testing"
)

// FuzzExpression splits any bytes: the data is a part of them, and the name what an attribute says.
func FuzzExpression(f *testing.F) {
	for _, o := range []Order{LittleEndian, BigEndian} {
		for _, name := range []string{"meta", "cmp", "counter", "flow_offload", "lookups", ""} {
			b := NewBuilder(o, nil)
			b.String(NFTAExprName, name)
			data := b.Nest(NFTAExprData)
			b.Uint32BE(1, 7)
			b.EndNest(data)
			f.Add(b.Bytes())
		}
	}
	f.Add([]byte{8, 0, 1, 0, 'm', 'e', 't', 'a'})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, o := range []Order{LittleEndian, BigEndian} {
			name, data, err := Expression(o, b)
			if err != nil {
				requireMalformed(t, err)
				if name != "" || data != nil {
					t.Fatal("half an expression")
				}
				continue
			}
			if !bytes.Contains(b, []byte(name)) || !bytes.Contains(b, data) {
				t.Fatalf("expression %q with %x", name, data)
			}
			want := ""
			for rest := b; len(rest) > 0; {
				var a Attr
				if a, rest, err = NextAttr(o, rest); err == nil && a.Type == NFTAExprName {
					want = a.String()
				}
			}
			if name != want {
				t.Fatalf("the name is %q, read as %q", want, name)
			}
		}
	})
}

// FuzzNetfilter splits any bytes into nfgenmsg and attributes, which the readers of names and numbers take or refuse.
func FuzzNetfilter(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed[headerLen:], 15)
	}
	f.Add([]byte("\x01\x00\x00\x00\x07\x00\x01\x00lo\x00\x00"), 15)
	f.Fuzz(func(t *testing.T, data []byte, longest int) {
		_, _, attrs, err := Netfilter(data)
		if err != nil {
			requireMalformed(t, err)
			return
		}
		err = EachAttr(LittleEndian, attrs, func(a Attr) error {
			name, err := a.Name(longest)
			if err == nil && (name == "" || len(name) > longest || len(name) >= len(a.Data) || name != a.String()) {
				t.Fatalf("%x is the name %q, of %d bytes at most", a.Data, name, longest)
			}
			if err != nil {
				requireMalformed(t, err)
			}
			return nil
		})
		if err != nil {
			requireMalformed(t, err)
		}
	})
}
