package main

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A name that is made of control characters does not reach the terminal as such, and is the same name when the JSON is read.
func TestJSONSteersNoTerminal(t *testing.T) {
	for c := rune(0); c < 0x100; c++ {
		var out bytes.Buffer
		name := map[string]string{"device": "x" + string(c) + "31m"}
		require.NoError(t, newEncoder(&out).Encode(name))
		assert.False(t, bytes.ContainsFunc(bytes.TrimSuffix(out.Bytes(), []byte("\n")), unicode.IsControl), "%U: %q", c, out.String())
		var read map[string]string
		require.NoError(t, json.Unmarshal(out.Bytes(), &read))
		assert.Equal(t, name, read)
	}
}
