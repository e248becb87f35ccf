package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/go-fastpath/fastpath/internal/goal"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
)

// idleArgument makes this program the Manager that is watched, in the namespace where it was started.
const idleArgument = "idle"

// How long a Manager is left alone before it is watched, and how long it is watched.
const (
	settleFor = 15 * time.Second // Go gives memory back meanwhile
	watchFor  = 10 * time.Second
)

// idle watches a process that does nothing but run a Manager with many devices: how often its threads are scheduled, what memory it has.
func (b *bench) idle(ctx context.Context) (goals []goal.Goal, err error) {
	ns, err := testns.New("idle")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, ns.Close()) }()
	if err := ns.IP(ctx, dummies(many, group)...); err != nil {
		return nil, err
	}
	cmd := exec.Command("/proc/self/exe", idleArgument)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := ns.Start(cmd); err != nil {
		return nil, err
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	said := make([]byte, 64)
	n, err := out.Read(said)
	if err != nil || strings.TrimSpace(string(said[:n])) != "steady" {
		return nil, errors.Join(err, fmt.Errorf("the idle Manager said %q", said[:n]))
	}
	<-time.After(settleFor)
	before, err := usageOf(cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	<-time.After(watchFor)
	after, err := usageOf(cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	switches := after.switches - before.switches
	fmt.Fprintf(b.out, "idle Manager with %d devices, for %v: scheduled %d times, %d ticks of processor time, %d threads, %d kB resident\n", many, watchFor,
		switches, after.ticks-before.ticks, after.threads, after.resident)
	return []goal.Goal{
		goal.Of("idle-wakeups-in-10s", float64(switches), 0),
		goal.Of("idle-resident-MB", float64(after.resident)*1024/1e6, 25),
	}, nil
}

// idle is the process that is watched.
func idle() int {
	err := func() error {
		m, err := offload.Open(context.Background(), &offload.Config{Run: offload.RunConfig{Resync: -1}})
		if err != nil {
			return err
		}
		defer m.Close()
		go func() {
			for st := range m.Statuses(context.Background()) {
				if st.Phase == offload.PhaseSteady && bound(st) == many {
					fmt.Println("steady")
					return
				}
			}
		}()
		return m.Run(context.Background(), declared())
	}()
	fmt.Fprintln(os.Stderr, "idle:", err)
	return 1
}

// A usage is what the kernel counts of a process.
type usage struct {
	switches, ticks   int
	threads, resident int // kB
}

func usageOf(pid int) (usage, error) {
	var u usage
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil || len(tasks) == 0 {
		return u, errors.Join(err, fmt.Errorf("process %d is gone", pid))
	}
	u.threads = len(tasks)
	for _, task := range tasks {
		status, err := os.ReadFile(task + "/status")
		if err != nil {
			return u, err
		}
		for line := range strings.Lines(string(status)) {
			key, value, _ := strings.Cut(line, ":")
			n, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
			switch key {
			case "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches":
				u.switches += n
			case "VmRSS":
				u.resident = n
			}
		}
		stat, err := os.ReadFile(task + "/stat")
		if err != nil {
			return u, err
		}
		_, rest, _ := strings.Cut(string(stat), ") ") // fields from the third, the state
		fields := strings.Fields(rest)
		for _, i := range []int{11, 12} { // utime, stime
			n, _ := strconv.Atoi(fields[i])
			u.ticks += n
		}
	}
	return u, nil
}
