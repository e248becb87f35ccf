package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// newEncoder prints JSON, one value a line. Names come from whoever owns the namespace: what is left of control characters in
// JSON, U+007F to U+009F, is escaped, so that no name steers the terminal.
func newEncoder(w io.Writer) *json.Encoder { return json.NewEncoder(controlEscaper{w}) }

// A controlEscaper escapes the control characters that encoding/json leaves as they are. They stand in strings only. It is
// given whole values.
type controlEscaper struct{ to io.Writer }

func (e controlEscaper) Write(b []byte) (int, error) {
	escaped := b
	for c := rune(0x7f); c <= 0x9f; c++ {
		escaped = bytes.ReplaceAll(escaped, []byte(string(c)), fmt.Appendf(nil, `\u%04x`, c))
	}
	if _, err := e.to.Write(escaped); err != nil {
		return 0, err
	}
	return len(b), nil
}
