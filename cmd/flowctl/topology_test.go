package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

const machine = `{"kernel":{"release":"6.12.0"},"links":[
	{"index":1,"name":"wan0","up":true},
	{"index":2,"name":"wan0.7","kind":"vlan","parent":1,"vlan":{"id":7,"protocol":"802.1Q"}},
	{"index":3,"name":"ppp0","kind":"ppp","pppoe":{"device":"wan0.7","session":1}}]}`

func TestTopologyOfAFile(t *testing.T) {
	file := writeFile(t, machine)
	for form, says := range map[string][]string{
		"":       {"flowchart", "ppp0", "wan0.7"},
		"--dot":  {"digraph", "ppp0", "wan0.7"},
		"--json": {`"release": "6.12.0"`, `"session": 1`},
	} {
		args := []string{"topology", "--target", file}
		if form != "" {
			args = append(args, form)
		}
		r := flowctl("", args...)
		r.assertDone(t)
		for _, text := range says {
			assert.Contains(t, r.out, text, form)
		}
	}
	again := writeFile(t, flowctl("", "topology", "--json", "--target", file).out)
	assert.Equal(t, flowctl("", "topology", "--target", file), flowctl("", "topology", "--target", again))
}

// The commands say what is wrong with their arguments before they read anything.
func TestUsageOfRun(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		says []string
	}{
		"two forms":            {[]string{"topology", "--dot", "--json"}, []string{"--dot and --json"}},
		"two machines":         {[]string{"topology", "--netns", "x", "--target", "y"}, []string{"--netns and --target"}},
		"run without spec":     {[]string{"run"}, []string{"usage: flowctl run", "want 1 argument"}},
		"unknown log":          {[]string{"run", "--log", "paper", "-"}, []string{`"paper" is neither stderr nor syslog`}},
		"unknown stale mode":   {[]string{"run", "--stale", "perhaps", "-"}, []string{"want report or evict"}},
		"unknown conflicts":    {[]string{"run", "--conflicts", "perhaps", "-"}, []string{`"perhaps" is neither warn`}},
		"status of two":        {[]string{"status", "a", "b"}, []string{"want 1 argument at most"}},
		"watch for a status":   {[]string{"status", "--watch", "--exit-code", "-"}, []string{"--exit-code"}},
		"watch nothing":        {[]string{"status", "--watch"}, []string{"mean nothing without a SPEC"}},
		"off of a bad spec":    {[]string{"off", "-"}, []string{"standard input: line 1"}},
		"off of two":           {[]string{"off", "a.json", "b.json"}, []string{"want 1 argument at most"}},
		"on of two ways":       {[]string{"on", "--owner", "x", "-"}, []string{"--owner and SPEC"}},
		"off of two ways":      {[]string{"off", "--all-owners", "--owner", "x"}, []string{"--all-owners, --owner and SPEC"}},
		"set of two specs":     {[]string{"set", "a.json", "b.json", "net.ipv4.ip_forward=1"}, []string{"write KEY=VALUE"}},
		"force without device": {[]string{"probe", "--force"}, []string{"--force wants the devices"}},
	} {
		t.Run(name, func(t *testing.T) {
			flowctl("no SPEC: nothing is ever applied", test.args...).assertRefused(t, exitUsage, test.says...)
		})
	}
}
