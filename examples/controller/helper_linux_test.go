package main

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

// wanted is an object with one flowtable of these devices.
func wanted(name string, devices ...string) *Object {
	o := &Object{APIVersion: apiVersion, Kind: kind, Metadata: Metadata{Name: name, Generation: 1}}
	f := flowtable.Spec{Name: "fast"}
	for _, d := range devices {
		f.Devices = append(f.Devices, flowtable.Selector{Name: d})
	}
	o.Spec.Ruleset.Tables = []ruleset.Table{{Name: name, Flowtables: []flowtable.Spec{f}, Offload: []ruleset.Policy{{Flowtable: "fast"}}}}
	return o
}

// put writes an object as kubectl apply would.
func put(t *testing.T, dir string, o *Object) {
	t.Helper()
	text, err := json.Marshal(o)
	require.NoError(t, err)
	putText(t, dir, o.Metadata.Name, string(text))
}

func putText(t *testing.T, dir, name, text string) {
	t.Helper()
	unfinished := filepath.Join(dir, "."+name)
	require.NoError(t, os.WriteFile(unfinished, []byte(text), 0o600))
	require.NoError(t, os.Rename(unfinished, filepath.Join(dir, name+suffix)))
}

// serving runs the controller over a kernel in memory until the test ends.
func serving(t *testing.T, dir string, kernel *offloadtest.Kernel, run offload.RunConfig) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- serve(ctx, dir, &offload.Config{Kernel: kernel, Run: run, Logger: slog.New(slog.DiscardHandler)})
	}()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			assert.NoError(t, <-ended)
		}
	}
	t.Cleanup(stop)
	return stop
}

// awaitStatus waits until an object's status is as wanted.
func awaitStatus(t *testing.T, dir, name string, isRight func(Observed) bool) Observed {
	t.Helper()
	var last Observed
	ok := assert.Eventually(t, func() bool {
		var err error
		last, err = folder{dir}.status(name)
		return err == nil && isRight(last)
	}, 20*time.Second, 5*time.Millisecond)
	if !ok {
		text, _ := json.MarshalIndent(last, "", "  ")
		t.Fatalf("the status of %s does not come to what is awaited; it is:\n%s", name, text)
	}
	return last
}

// has is a test for a condition.
func has(kind, status, reason string) func(Observed) bool {
	return func(o Observed) bool {
		c := conditionOf(o, kind)
		return c.Status == status && c.Reason == reason
	}
}

func conditionOf(o Observed, kind string) Condition {
	for _, c := range o.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return Condition{}
}

func awaitGone(t *testing.T, file string) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, err := os.Stat(file)
		return errors.Is(err, fs.ErrNotExist)
	}, 20*time.Second, 5*time.Millisecond)
}

// tablesOf are the names of the tables in a kernel, with their owners.
func tablesOf(t *testing.T, kernel *offloadtest.Kernel) map[string]string {
	t.Helper()
	have, err := ruleset.Load("", kernel.Dump(t.Context()))
	require.NoError(t, err)
	tables := map[string]string{}
	for _, table := range have.Tables() {
		tables[table.Name] = table.Owner
	}
	return tables
}
