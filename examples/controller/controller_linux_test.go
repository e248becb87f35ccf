package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
)

// TestLife is the life of an object: made, served, changed, spoiled, mended, removed.
func TestLife(t *testing.T) {
	dir := t.TempDir()
	kernel := offloadtest.New(t, offloadtest.Linux612("lan0"))
	put(t, dir, wanted("home", "lan0", "wan0"))
	serving(t, dir, kernel, offload.RunConfig{})

	o := awaitStatus(t, dir, "home", has(accelerated, "False", "DevicesMissing"))
	assert.Equal(t, "home", o.Owner)
	assert.EqualValues(t, 1, o.ObservedGeneration)
	assert.Contains(t, conditionOf(o, accelerated).Message, "wan0: missing")
	awaitStatus(t, dir, "home", has(programmed, "True", "Steady"))
	assert.Equal(t, map[string]string{"home": "home"}, tablesOf(t, kernel))

	kernel.AddLink(flowtable.Link{Name: "wan0", Up: true})
	before := awaitStatus(t, dir, "home", has(accelerated, "True", "AllBound"))

	spoiled := wanted("home", "lan0", "")
	spoiled.Metadata.Generation = 2
	put(t, dir, spoiled)
	o = awaitStatus(t, dir, "home", has(accepted, "False", "Invalid"))
	assert.Contains(t, conditionOf(o, accepted).Message, "devices[1]")
	assert.EqualValues(t, 2, o.ObservedGeneration)
	assert.Equal(t, conditionOf(before, accelerated).LastTransitionTime, conditionOf(o, accelerated).LastTransitionTime, "what ran runs on")

	mended := wanted("home", "lan0")
	mended.Metadata.Generation = 3
	put(t, dir, mended)
	awaitStatus(t, dir, "home", func(o Observed) bool {
		return o.Run != nil && len(o.Run.Devices) == 1 && has(programmed, "True", "Steady")(o) && has(accepted, "True", "Valid")(o)
	})

	require.NoError(t, os.Remove(filepath.Join(dir, "home.json")))
	awaitGone(t, folder{dir}.statusFile("home"))
	assert.Empty(t, tablesOf(t, kernel))
}

// TestRestart: a controller that ends leaves everything in force, and cleans up after objects that went while it was away.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	kernel := offloadtest.New(t, offloadtest.Linux612("lan0", "wan0"))
	put(t, dir, wanted("one", "lan0"))
	put(t, dir, wanted("two", "wan0"))
	stop := serving(t, dir, kernel, offload.RunConfig{})
	awaitStatus(t, dir, "one", has(programmed, "True", "Steady"))
	awaitStatus(t, dir, "two", has(programmed, "True", "Steady"))
	stop()
	both := map[string]string{"one": "one", "two": "two"}
	assert.Equal(t, both, tablesOf(t, kernel))

	generation, err := kernel.GenerationID(t.Context())
	require.NoError(t, err)
	stop = serving(t, dir, kernel, offload.RunConfig{})
	awaitStatus(t, dir, "one", func(o Observed) bool {
		return o.Run != nil && o.Run.Changes == 0 && has(programmed, "True", "Steady")(o)
	})
	stop()
	again, err := kernel.GenerationID(t.Context())
	require.NoError(t, err)
	assert.Equal(t, generation+2, again, "the locks of two owners were taken, and nothing else was to be done")

	require.NoError(t, os.Remove(filepath.Join(dir, "one.json")))
	serving(t, dir, kernel, offload.RunConfig{})
	awaitGone(t, folder{dir}.statusFile("one"))
	assert.Equal(t, map[string]string{"two": "two"}, tablesOf(t, kernel))
}

// TestObserve: an object that is only observed is never written; when it is to be kept, it is.
func TestObserve(t *testing.T) {
	dir := t.TempDir()
	kernel := offloadtest.New(t, offloadtest.Linux612("lan0"))
	o := wanted("home", "lan0")
	o.Spec.Observe = true
	put(t, dir, o)
	serving(t, dir, kernel, offload.RunConfig{})
	seen := awaitStatus(t, dir, "home", has(programmed, "False", "Observing"))
	assert.Empty(t, seen.Owner, "there is nothing to clean up")
	assert.Empty(t, tablesOf(t, kernel))
	o.Spec.Observe = false
	put(t, dir, o)
	awaitStatus(t, dir, "home", has(programmed, "True", "Steady"))
	assert.NotEmpty(t, tablesOf(t, kernel))
}

// TestOwnerChanges: the tables of the earlier owner go.
func TestOwnerChanges(t *testing.T) {
	dir := t.TempDir()
	kernel := offloadtest.New(t, offloadtest.Linux612("lan0"))
	o := wanted("home", "lan0")
	put(t, dir, o)
	serving(t, dir, kernel, offload.RunConfig{})
	awaitStatus(t, dir, "home", has(programmed, "True", "Steady"))
	o.Spec.Ruleset.Owner = "somebody"
	o.Spec.Ruleset.Tables[0].Name = "other"
	put(t, dir, o)
	awaitStatus(t, dir, "home", func(o Observed) bool { return o.Owner == "somebody" && has(programmed, "True", "Steady")(o) })
	assert.Equal(t, map[string]string{"other": "somebody"}, tablesOf(t, kernel))
}

// TestNotAnObject: a file that is none is told in its status, and disturbs no other.
func TestNotAnObject(t *testing.T) {
	dir := t.TempDir()
	kernel := offloadtest.New(t, offloadtest.Linux612("lan0"))
	putText(t, dir, "broken", `{"apiVersion":`)
	putText(t, dir, "other", `{"apiVersion":"v1","kind":"Pod"}`)
	putText(t, dir, "misnamed", `{"apiVersion":"`+apiVersion+`","kind":"`+kind+`","metadata":{"name":"x"}}`)
	put(t, dir, wanted("home", "lan0"))
	serving(t, dir, kernel, offload.RunConfig{})
	for name, says := range map[string]string{"broken": "EOF", "other": "Pod", "misnamed": "metadata.name"} {
		o := awaitStatus(t, dir, name, has(accepted, "False", "Invalid"))
		assert.Contains(t, conditionOf(o, accepted).Message, says)
	}
	awaitStatus(t, dir, "home", has(programmed, "True", "Steady"))
}

// TestExampleObject holds the object beside the program against the code.
func TestExampleObject(t *testing.T) {
	o, err := folder{"."}.get("router")
	require.NoError(t, err)
	require.NoError(t, check(o))
	assert.Equal(t, "router", o.Spec.Ruleset.Owner)
}
