package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every example in every form: the same twice, and json only where nothing is lost.
func TestRenderForms(t *testing.T) {
	begins := map[string]string{"nft": "table ", "commands": "create table ", "json": `{"nftables": [`, "dump": "BATCH_BEGIN"}
	eachExample(t, func(t *testing.T, text string) {
		for form, begin := range begins {
			args := []string{"render", "--format", form, "-"}
			if form == "json" && strings.Contains(text, `"flowtables"`) {
				flowctl(text, args...).assertRefused(t, exitFailed, "nft's JSON cannot say it", "`counter` of flowtable ", "write the text form")
				args = append(args, "--drop-flowtable-flags")
			}
			r := flowctl(text, args...)
			r.assertDone(t)
			assert.Contains(t, strings.SplitN(r.out, "\n", 2)[0], begin, form)
			assert.Equal(t, r, flowctl(text, args...), "rendered twice")
			assert.Equal(t, form == "json", json.Valid([]byte(r.out)), form)
		}
	})
}

// The batch for machines of either byte order is as long, and reads the same as text.
func TestRenderByteOrders(t *testing.T) {
	eachExample(t, func(t *testing.T, text string) {
		little := flowctl(text, "render", "--format", "batch", "--byte-order", "little", "-")
		big := flowctl(text, "render", "--format", "batch", "--byte-order", "big", "-")
		little.assertDone(t)
		big.assertDone(t)
		require.Greater(t, len(little.out), 20)
		assert.Len(t, big.out, len(little.out))
		assert.Equal(t, "\x14\x00\x00\x00", little.out[:4], "length of NFNL_MSG_BATCH_BEGIN without attributes")
		assert.Equal(t, "\x00\x00\x00\x14", big.out[:4])
		dump := flowctl(text, "render", "--format", "dump", "--byte-order", "little", "-")
		dump.assertDone(t)
		bigDump := flowctl(text, "render", "--format", "dump", "--byte-order", "big", "-")
		assert.Equal(t, strings.Count(dump.out, "\n"), strings.Count(bigDump.out, "\n"))
	})
}

func TestRenderUsage(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		says string
	}{
		"unknown form":        {[]string{"--format", "yaml"}, `no form "yaml"; write nft, commands, json, dump or batch`},
		"unknown order":       {[]string{"--format", "batch", "--byte-order", "middle"}, `"middle" is neither little nor big`},
		"order of a text":     {[]string{"--byte-order", "big"}, "not nft"},
		"dropped from a text": {[]string{"--format", "dump", "--drop-flowtable-flags"}, "not dump"},
	} {
		t.Run(name, func(t *testing.T) {
			flowctl(plainSpec, append([]string{"render", "-"}, test.args...)...).assertRefused(t, exitUsage, test.says)
		})
	}
	help := flowctl("", "render", "-h")
	help.assertDone(t)
	for _, form := range forms() {
		assert.Contains(t, help.out, form[0])
		assert.Contains(t, help.out, form[1])
	}
}
