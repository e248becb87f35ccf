//go:build linux

package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/go-fastpath/fastpath/internal/testns/vm/wire"
)

// runJob runs one program in a process group of its own and ends what it left behind.
func runJob(out *port, index int, j wire.Job) wire.ExitStatus {
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(j.Seconds)*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, j.Argv[0], j.Argv[1:]...)
	cmd.Dir = j.Dir
	cmd.Env = append(os.Environ(), j.Env...)
	cmd.Stdout = stream{p: out, kind: wire.Stdout, job: index}
	cmd.Stderr = stream{p: out, kind: wire.Stderr, job: index}
	if j.Merge {
		cmd.Stderr = cmd.Stdout // one pipe: the order of lines survives
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 3 * time.Second // a child that keeps the pipe open must not hang the run
	err := cmd.Run()
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	return exitStatus(ctx, cmd, err, time.Since(start))
}

func exitStatus(ctx context.Context, cmd *exec.Cmd, err error, d time.Duration) wire.ExitStatus {
	s := wire.ExitStatus{Seconds: d.Seconds()}
	switch {
	case ctx.Err() != nil:
		s.Code, s.Err = 124, "killed after its time was up"
	case cmd.ProcessState == nil:
		s.Code, s.Err = 127, err.Error()
	default:
		ws := cmd.ProcessState.Sys().(syscall.WaitStatus)
		s.Code = ws.ExitStatus()
		if ws.Signaled() {
			s.Code, s.Err = 128+int(ws.Signal()), "killed by signal "+ws.Signal().String()
		} else if errors.Is(err, exec.ErrWaitDelay) {
			s.Err = "left a child behind that kept its output open"
		}
	}
	return s
}
