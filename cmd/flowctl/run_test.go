package main

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

// A runOf is a keeper over a kernel in memory, as the process would have it.
type runOf struct {
	kernel  *offloadtest.Kernel
	signals chan os.Signal
	out     *lockedBuffer
	ended   chan error
	last    int // signals that were given back
}

// startRun keeps a SPEC of a file attached.
func startRun(t *testing.T, name string, cfg offload.RunConfig, kernel *offloadtest.Kernel) *runOf {
	t.Helper()
	spec, err := readSpec(&streams{}, name)
	require.NoError(t, err)
	r := &runOf{kernel: kernel, signals: make(chan os.Signal, 1), out: &lockedBuffer{}, ended: make(chan error, 1)}
	log := slog.New(slog.NewTextHandler(r.out, nil))
	manager, err := offload.Open(t.Context(), &offload.Config{Kernel: kernel, Logger: log, Run: cfg})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, manager.Close()) })
	k := &keeper{std: &streams{}, manager: manager, log: log, name: name, tell: tellChanges(r.out), lastSignal: func() { r.last++ }}
	go func() { r.ended <- k.keep(t.Context(), spec, r.signals) }()
	return r
}

// await waits until what the run told contains a text.
func (r *runOf) await(t *testing.T, text string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(r.out.String(), text) }, 20*time.Second, 5*time.Millisecond, "%q is not told", text)
}

// end interrupts the run.
func (r *runOf) end(t *testing.T, with os.Signal) error {
	t.Helper()
	r.signals <- with
	select {
	case err := <-r.ended:
		return err
	case <-time.After(20 * time.Second):
		return errors.New("the run goes on")
	}
}

// lockedBuffer is a buffer for several writers.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

const twoDevices = `"devices":[{"name":"lan0"},{"name":"wan0"}]`

// TestRunFollows: devices come, a hangup brings another SPEC, one with a mistake changes nothing, an interrupt ends it and leaves the ruleset.
func TestRunFollows(t *testing.T) {
	name := writeFile(t, withFlowtable(twoDevices))
	r := startRun(t, name, offload.RunConfig{}, offloadtest.New(t, offloadtest.Linux612("lan0")))
	r.await(t, "device lan0: bound")
	r.await(t, "device wan0: missing")
	r.await(t, "steady, generation ")
	r.await(t, "msg=applied")
	r.kernel.AddLink(flowtable.Link{Name: "wan0", Up: true})
	r.await(t, "device wan0: bound")

	require.NoError(t, os.WriteFile(name, []byte(withFlowtable(`"devices":[{"nam":"lan0"}]`)), 0o600))
	r.signals <- syscall.SIGHUP
	r.await(t, "the earlier one stays")
	require.NoError(t, os.WriteFile(name, []byte(withFlowtable(`"devices":[{"name":"lan0"}]`)), 0o600))
	r.signals <- syscall.SIGHUP
	r.await(t, "device wan0: not wanted any more")

	require.NoError(t, r.end(t, syscall.SIGTERM))
	assert.Equal(t, 1, r.last, "a second signal ends the process as the system does")
	assert.NotEmpty(t, tablesOf(t, r.kernel), "the ruleset stays")
}

func TestRunObserves(t *testing.T) {
	kernel := offloadtest.New(t, offloadtest.Linux612("lan0", "wan0"))
	r := startRun(t, writeFile(t, withFlowtable(twoDevices)), offload.RunConfig{Observe: true}, kernel)
	r.await(t, "to be done: create table inet t")
	r.await(t, "observing, generation ")
	require.NoError(t, r.end(t, os.Interrupt))
	assert.Empty(t, tablesOf(t, kernel))
}

// A run whose output is gone ends, and says why.
func TestRunWithoutOutput(t *testing.T) {
	kernel := offloadtest.New(t, offloadtest.Linux612("lan0"))
	manager, err := offload.Open(t.Context(), &offload.Config{Kernel: kernel})
	require.NoError(t, err)
	defer manager.Close()
	spec, err := ruleset.Parse(strings.NewReader(plainSpec))
	require.NoError(t, err)
	full := errors.New("no space left")
	k := &keeper{std: &streams{}, manager: manager, log: slog.New(slog.DiscardHandler), name: "-", tell: func(*offload.Status) error { return full }}
	assert.ErrorIs(t, k.keep(t.Context(), spec, nil), full)
}

// A SPEC of standard input cannot be read again.
func TestReadAgainFromStandardInput(t *testing.T) {
	var log lockedBuffer
	k := &keeper{log: slog.New(slog.NewTextHandler(&log, nil)), name: "-"}
	k.readAgain(t.Context())
	assert.Contains(t, log.String(), "standard input")
}

func TestStatusOfAKernel(t *testing.T) {
	kernel := offloadtest.New(t, offloadtest.Linux612("lan0"))
	spec, err := ruleset.Parse(strings.NewReader(withFlowtable(twoDevices)))
	require.NoError(t, err)
	look := func(asJSON bool) (*offload.Status, string) {
		m, err := offload.Open(t.Context(), &offload.Config{Kernel: kernel, Run: offload.RunConfig{Observe: true}})
		require.NoError(t, err)
		defer m.Close()
		var out bytes.Buffer
		s, err := observer{std: &streams{out: &out}, manager: m, json: asJSON}.observe(t.Context(), spec)
		require.NoError(t, err)
		return s, out.String()
	}
	s, text := look(false)
	assert.False(t, asDeclared(s))
	assert.Contains(t, text, "wan0")
	_, text = look(true)
	assert.Contains(t, text, `"phase":"observing"`)
	assert.Empty(t, tablesOf(t, kernel), "status changes nothing")

	kernel.AddLink(flowtable.Link{Name: "wan0", Up: true})
	m, err := offload.Open(t.Context(), &offload.Config{Kernel: kernel})
	require.NoError(t, err)
	defer m.Close()
	_, err = m.Reconcile(t.Context(), spec)
	require.NoError(t, err)
	s, _ = look(false)
	assert.True(t, asDeclared(s), "%v", s)
	require.NoError(t, m.Off(t.Context(), ""))
	s, text = look(false)
	assert.False(t, asDeclared(s))
	assert.Contains(t, text, "off since")
}

// tablesOf are the names of the tables that a kernel holds.
func tablesOf(t *testing.T, kernel *offloadtest.Kernel) []string {
	t.Helper()
	have, err := ruleset.Load("", kernel.Dump(t.Context()))
	require.NoError(t, err)
	var names []string
	for _, table := range have.Tables() {
		names = append(names, table.Name)
	}
	return names
}
