package main

import (
	"bytes"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

// What somebody wrote into a ruleset neither moves a terminal's cursor nor fills its screen.
func TestHostileOwners(t *testing.T) {
	const name = "t\x1b[2J\n"
	o := offload.Owner{
		Name:       "x",
		Tables:     []ruleset.LoadedTable{{Family: ruleset.Inet, Name: name}},
		Flowtables: []ruleset.LoadedFlowtable{{Family: ruleset.Inet, Table: name, Name: name, Devices: []flowtable.Selector{{Name: name}}}},
	}
	var b bytes.Buffer
	printHeld(&b, []offload.Owner{o})
	assert.Equal(t, 3, strings.Count(b.String(), "\n"))
	assert.NotContains(t, b.String()+summaryOf(o), "\x1b")

	for range 1000 {
		o.Tables = append(o.Tables, o.Tables[0])
	}
	assert.Less(t, len(summaryOf(o)), 500)
	var many []offload.Owner
	for n := range 1000 {
		many = append(many, offload.Owner{Name: fmt.Sprint(n)})
	}
	assert.Less(t, len(absent("y", "nothing", many).Error()), 500)
	assert.Contains(t, absent("y", "nothing", many).Error(), "and 990 more")
}

// The kill switch works also where it cannot be told who is there.
func TestOffWithoutOwners(t *testing.T) {
	kernel := offloadtest.New(t, offloadtest.Linux612("eth0"))
	manager, err := offload.Open(t.Context(), &offload.Config{Kernel: kernel})
	require.NoError(t, err)
	spec, err := ruleset.Parse(strings.NewReader(plainSpec))
	require.NoError(t, err)
	_, err = manager.Reconcile(t.Context(), spec)
	require.NoError(t, err)
	var out bytes.Buffer
	std := &streams{out: &out, err: &out}
	s := &subject{manager: manager, owner: ruleset.DefaultOwner}
	kernel.FailDump(syscall.ENOBUFS)
	require.NoError(t, s.switchOff(t.Context(), std, false, false))
	assert.Contains(t, out.String(), "is off since")
	assert.Contains(t, kernel.Ruleset(), "fastpath_off_")
	kernel.FailDump(syscall.ENOBUFS)
	require.ErrorIs(t, s.switchOff(t.Context(), std, true, false), syscall.ENOBUFS, "nobody knows who everybody is")
	require.NoError(t, manager.Close())
}

// A command that is printed can be given to a shell.
func TestShellWord(t *testing.T) {
	for word, want := range map[string]string{"": "''", "a-b_c.d": "a-b_c.d", "it's": `'it'\''s'`, "$x `y`": "'$x `y`'", "/run/netns/a": "/run/netns/a"} {
		assert.Equal(t, want, shellWord(word))
	}
	assert.Equal(t, "flowctl on", spelled("on", "", ruleset.DefaultOwner))
}
