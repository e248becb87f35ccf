package offload

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// The words between a process that applies and its watchdog.
const (
	watchdogReady = "fastpath watchdog ready"
	watchdogNetNS = "/proc/self/fd/3" // the descriptor that it inherits
	startPatience = 30 * time.Second  // for a watchdog to be ready
)

// A process is a guard that outlives this one.
type process struct {
	cmd   *exec.Cmd
	input *os.File
	ended chan struct{}
	once  sync.Once
}

// startProcess starts a watchdog in a session of its own, with the network namespace as a descriptor, and waits until it is ready.
func startProcess(ctx context.Context, command []string, netns string, w *watch) (guard, error) {
	if len(command) == 0 {
		return nil, errors.New("there is no watchdog: set Config.Watchdog to a command that calls offload.Watchdog, " +
			`such as []string{"/proc/self/exe", "watchdog"}`)
	}
	ns, err := os.Open(netns)
	if err != nil {
		return nil, fmt.Errorf("start the watchdog: %w", err)
	}
	defer ns.Close()
	input, toChild, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start the watchdog: %w", err)
	}
	defer input.Close()
	fromChild, output, err := os.Pipe()
	if err != nil {
		toChild.Close()
		return nil, fmt.Errorf("start the watchdog: %w", err)
	}
	defer fromChild.Close()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.ExtraFiles = "/", input, output, []*os.File{ns}
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	err = cmd.Start()
	output.Close()
	if err != nil {
		toChild.Close()
		return nil, fmt.Errorf("start the watchdog: %w", err)
	}
	p := &process{cmd: cmd, input: toChild, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		_ = cmd.Wait() // what it did shows in the kernel
	}()
	if err := p.brief(ctx, w, fromChild); err != nil {
		_ = cmd.Process.Kill()
		p.release()
		return nil, fmt.Errorf("start the watchdog %q: %w", command, err)
	}
	return p, nil
}

// brief tells the watchdog what to watch over, and waits for its answer.
func (p *process) brief(ctx context.Context, w *watch, answer *os.File) error {
	told := make(chan error, 1)
	go func() { told <- json.NewEncoder(p.input).Encode(w) }()
	deadline := time.Now().Add(startPatience)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	stop := context.AfterFunc(ctx, func() { _ = answer.SetReadDeadline(time.Now()) })
	defer stop()
	if err := answer.SetReadDeadline(deadline); err != nil {
		return err
	}
	line, err := bufio.NewReader(answer).ReadString('\n')
	if line != watchdogReady+"\n" {
		_ = p.cmd.Process.Kill() // it may not even read
		<-told
		return errors.Join(fmt.Errorf("it does not say that it is ready but %q: the command must call offload.Watchdog", line), err, ctx.Err())
	}
	return <-told
}

func (p *process) applied(fingerprint string) error {
	return json.NewEncoder(p.input).Encode(news{Applied: fingerprint})
}

// release tells the watchdog that there is nothing to watch over any more, and waits for its end.
func (p *process) release() {
	p.once.Do(func() {
		_ = json.NewEncoder(p.input).Encode(news{Done: true}) // it may have ended itself
		_ = p.input.Close()
	})
	<-p.ended
}

// Watchdog is the other process of ApplyConfirm: a program calls it when it was started by the command of Config.Watchdog, and
// ends when it returns. It takes the change back if its time comes, and tells the logger (nil is nobody) what it did.
//
// It is told what to do through its standard input, and answers on its standard output; the network namespace is its descriptor 3. Its
// standard error is /dev/null, so that no shell waits for it: give it a logger that goes elsewhere, such as syslog. It ignores
// SIGHUP, SIGINT and SIGPIPE; SIGTERM makes it take the change back at once. SIGKILL, and a service manager that kills a service's
// whole control group, leave the change as it is, with its mark.
func Watchdog(ctx context.Context, log *slog.Logger) error {
	input := json.NewDecoder(os.Stdin)
	var w watch
	if err := input.Decode(&w); err != nil {
		return fmt.Errorf("offload: the watchdog is started by Manager.ApplyConfirm alone: %w", err)
	}
	if w.Backup == nil || w.Window <= 0 {
		return errors.New("offload: the watchdog is started by Manager.ApplyConfirm alone")
	}
	signal.Ignore(unix.SIGHUP, unix.SIGINT, unix.SIGPIPE)
	terminated, stop := signal.NotifyContext(context.WithoutCancel(ctx), unix.SIGTERM)
	defer stop()
	m, err := Open(ctx, &Config{NetNS: watchdogNetNS, Logger: log})
	if err != nil {
		return err
	}
	heard := make(chan news)
	go hear(ctx, input, heard)
	if _, err := fmt.Println(watchdogReady); err != nil {
		return errors.Join(err, m.Close())
	}
	err = w.keep(ctx, m, heard, terminated.Done())
	if err != nil {
		m.log.ErrorContext(ctx, "an unconfirmed change was not taken back", "owner", w.Mark.Owner, "err", err)
	}
	return errors.Join(err, m.Close())
}

// hear reads the news until the process that sends them ends, or says so.
func hear(ctx context.Context, input *json.Decoder, heard chan<- news) {
	defer close(heard)
	for {
		var n news
		if err := input.Decode(&n); err != nil {
			return
		}
		select {
		case heard <- n:
		case <-ctx.Done():
			return
		}
	}
}
