package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

func TestDeclarationIsValid(t *testing.T) {
	for _, hardware := range []bool{false, true} {
		spec := declare(hardware)
		require.NoError(t, spec.Validate())
		var shown bytes.Buffer
		require.NoError(t, printJSON(&shown, spec))
		read, err := ruleset.Parse(&shown)
		require.NoError(t, err, "the JSON form as the demo shows it")
		assert.Equal(t, spec, read)
	}
}

func TestLayOut(t *testing.T) {
	long := strings.Repeat("x", lineWidth)
	for in, want := range map[string]string{
		`{"a":[1,2]}`:                           `{"a":[1,2]}`,
		`{"a":"` + long + `"}`:                  "{\n  \"a\": \"" + long + "\"\n}",
		`[{"a":1},"` + long + `"]`:              "[\n  {\"a\":1},\n  \"" + long + "\"\n]",
		`{"a":["` + long + `",{"b":{}}],"c":1}`: "{\n  \"a\": [\n    \"" + long + "\",\n    {\"b\":{}}\n  ],\n  \"c\": 1\n}",
	} {
		assert.Equal(t, want, layOut(json.RawMessage(in), ""))
	}
}

// TestRun is the demo, from beginning to end. On a kernel without flowtables it ends early, says so, and leaves nothing.
func TestRun(t *testing.T) {
	testns.RequireNamespaces(t)
	testns.CheckLeaks(t)
	if ok, _ := testns.HaveFlowtables(t.Context()); !ok && os.Getenv("FASTPATH_VM") != "1" {
		_, err := run(t.Context(), &bytes.Buffer{})
		require.ErrorIs(t, err, offload.ErrNoFlowtables)
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var out bytes.Buffer
	result, err := run(ctx, &out)
	require.NoError(t, err, "%s", out.String())
	assert.Equal(t, 0, result.failed, "%s", out.String())
	assert.Equal(t, 7, result.flows)
	assert.Equal(t, result.flows, result.software+result.hardware)
	if strings.Contains(out.String(), "simulated") {
		assert.Equal(t, 2, result.hardware, "%s", out.String())
	}
	for _, text := range []string{"applied, ruleset generation", "flow add @fast", "nft list ruleset: nothing", "an offload bit: 0"} {
		assert.Contains(t, out.String(), text)
	}
}
