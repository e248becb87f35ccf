package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// childArgument is the first argument of this program where it is to do one task for another process of it. What is measured
// there has the process for itself: processor time, memory, and the namespace it was started in.
const childArgument = "child"

// A task is what a child does; the fields beside Kind mean what its kind says.
type task struct {
	Kind   string
	Filter filter
	Repeat int // readings
	Flows  int
	Rate   int // flows a second
}

// A report is what came out of a task.
type report struct {
	Wall, CPU    time.Duration
	Count        int    // entries, readings, events or packets
	Mallocs      uint64 // objects of Go
	Heap         uint64 // greatest heap in use, bytes
	Memory       uint64 // what Go has of the system at the end, less what it gave back, bytes
	Resident     uint64 // at the end, bytes
	PeakResident uint64
	Overruns     int
	Mismatches   int
}

// A work does one kind of task. It calls ready once where others wait for it, and ends with ctx where it has no end of its own.
type work func(ctx context.Context, t *task, ready func()) (report, error)

func workOf(kind string) work {
	return map[string]work{
		"raw dump": rawDumpWork, "entries": entriesWork, "ti-mo dump": timoDumpWork, "vishvananda list": vishvanandaWork,
		"raw poll": rawPollWork, "poll": pollWork, "interval": intervalWork,
		"raw events": rawEventsWork, "changes": changesWork, "ti-mo listen": timoListenWork,
		"traffic": trafficWork, "burst": burstWork,
	}[kind]
}

const readyLine = "ready"

// childMain does the task that the arguments hold. The end of standard input ends it, and so does the parent's death.
func childMain(args []string) error {
	var t task
	if len(args) != 1 || json.Unmarshal([]byte(args[0]), &t) != nil || workOf(t.Kind) == nil {
		return fmt.Errorf("not a task: %q", args)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	r, err := workOf(t.Kind)(ctx, &t, func() { fmt.Println(readyLine) })
	if err != nil {
		return fmt.Errorf("%s: %w", t.Kind, err)
	}
	r.Resident, r.PeakResident, err = resident("self")
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// A child is a process that does one task.
type child struct {
	cmd    *exec.Cmd
	kind   string
	stdin  io.Closer
	stdout *bufio.Reader
	stderr strings.Builder
}

// startChild starts one in a namespace.
func startChild(ctx context.Context, ns *testns.Namespace, t task) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	arg, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.CommandContext(ctx, self, childArgument, string(arg)), kind: t.Kind}
	c.cmd.Stderr = &c.stderr
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.stdout = bufio.NewReader(stdout)
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	return c, ns.Start(c.cmd)
}

// ready waits until the child's preparations are over.
func (c *child) ready() error {
	line, err := c.stdout.ReadString('\n')
	if err != nil || strings.TrimSpace(line) != readyLine {
		_, err := c.report()
		return errors.Join(fmt.Errorf("%s did not get ready", c.kind), err)
	}
	return nil
}

// stop ends the child's waiting and takes its report.
func (c *child) stop() (report, error) {
	return c.after(c.stdin.Close())
}

// report waits until the child is done.
func (c *child) report() (report, error) { return c.after(nil) }

func (c *child) after(err error) (report, error) {
	var r report
	derr := json.NewDecoder(c.stdout).Decode(&r)
	werr := c.cmd.Wait()
	if werr != nil {
		return r, fmt.Errorf("%s: %w: %s", c.kind, werr, strings.TrimSpace(c.stderr.String()))
	}
	return r, errors.Join(err, derr)
}

// runChild does one task that ends by itself.
func runChild(ctx context.Context, ns *testns.Namespace, t task) (report, error) {
	c, err := startChild(ctx, ns, t)
	if err != nil {
		return report{}, err
	}
	return c.report()
}
