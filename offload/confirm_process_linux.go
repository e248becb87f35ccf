package offload

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// What a process that applies and its watchdog agree on.
const (
	watchdogReady    = "fastpath watchdog ready"
	watchdogNetNS    = 3                   // the descriptor that it inherits
	watchdogVariable = "FASTPATH_WATCHDOG" // is set in its environment until it calls Watchdog
	startPatience    = 30 * time.Second    // for a watchdog to be ready
	tellPatience     = 5 * time.Second     // for a watchdog to listen
)

// A process is a guard that outlives this one.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it was waited for

	mu    sync.Mutex
	input *os.File // nil once there is nothing more to tell
}

// checkWatchdog refuses to start a watchdog without a command, and in a process that was started as one and forgot to be it: it would start the
// next, which forgets it too, and so on without end.
func checkWatchdog(command []string) error {
	if os.Getenv(watchdogVariable) != "" {
		return fmt.Errorf("this process was started as the watchdog of another ApplyConfirm, and goes on as if it was not: call offload.Watchdog "+
			"first thing in main when the program is started by Config.Watchdog, and end when it returns (%s is set in the environment)", watchdogVariable)
	}
	if len(command) == 0 {
		return errors.New("there is no watchdog: set Config.Watchdog to a command that calls offload.Watchdog, " +
			`such as []string{"/proc/self/exe", "watchdog"}`)
	}
	return nil
}

// startProcess starts a watchdog in a session of its own, with the network namespace as a descriptor, and waits until it is ready.
func startProcess(ctx context.Context, command []string, netns string, w *watch) (guard, error) {
	if err := checkWatchdog(command); err != nil {
		return nil, err
	}
	p, answer, err := launch(command, netns)
	if err != nil {
		return nil, fmt.Errorf("start the watchdog: %w", err)
	}
	defer answer.Close()
	if err := p.brief(ctx, w, answer); err != nil {
		_ = unix.Kill(-p.cmd.Process.Pid, unix.SIGKILL) // with what it may have started; nobody waited for it yet, so the number is its own
		p.hangUp()
		go p.wait()
		p.endsWithin(context.Background(), tellPatience)
		return nil, fmt.Errorf("start the watchdog %q: %w", command, err)
	}
	go p.wait()
	return p, nil
}

// launch starts the command. Its answer is read from a pipe, which the caller closes.
func launch(command []string, netns string) (p *process, answer *os.File, err error) {
	ns, err := os.Open(netns)
	if errors.Is(err, fs.ErrNotExist) && !procMounted() {
		return nil, nil, errNoProc
	}
	if err != nil {
		return nil, nil, err
	}
	defer ns.Close()
	input, toChild, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer input.Close()
	fromChild, output, err := os.Pipe()
	if err != nil {
		toChild.Close()
		return nil, nil, err
	}
	defer output.Close()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.ExtraFiles = "/", input, output, []*os.File{ns}
	cmd.Env = append(os.Environ(), watchdogVariable+"=1")
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		toChild.Close()
		fromChild.Close()
		return nil, nil, err
	}
	return &process{cmd: cmd, input: toChild, ended: make(chan struct{})}, fromChild, nil
}

// errNoProc says why a watchdog cannot be given its network namespace.
var errNoProc = errors.New("/proc is not mounted here, and a watchdog is handed its network namespace by /proc/self/fd: " +
	"mount it (mount -t proc proc /proc), or apply without waiting for a confirmation")

func procMounted() bool {
	_, err := os.Stat("/proc/self")
	return err == nil
}

// brief tells the watchdog what to watch over, and waits for its answer.
func (p *process) brief(ctx context.Context, w *watch, answer *os.File) error {
	told := make(chan error, 1)
	go func() { told <- json.NewEncoder(p.input).Encode(w) }()
	deadline := time.Now().Add(startPatience)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	if err := answer.SetReadDeadline(deadline); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = answer.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	line, err := bufio.NewReader(answer).ReadString('\n')
	if line != watchdogReady+"\n" {
		_ = p.input.SetWriteDeadline(time.Unix(1, 0)) // it may not even read
		<-told
		return errors.Join(fmt.Errorf("it does not say that it stands guard but %q: the command must call offload.Watchdog, first thing in main", line), err, ctx.Err())
	}
	return <-told
}

func (p *process) wait() {
	defer close(p.ended)
	_ = p.cmd.Wait() // what it did shows in the kernel
}

// endsWithin waits for its end, and reports whether it came.
func (p *process) endsWithin(ctx context.Context, patience time.Duration) bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.ended:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

func (p *process) applied(fingerprint string) error {
	return p.tell(news{Stands: true, Applied: fingerprint})
}

func (p *process) tell(n news) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.ended:
		return fmt.Errorf("the watchdog ended by itself: %v", p.cmd.ProcessState)
	default:
	}
	if p.input == nil {
		return nil
	}
	_ = p.input.SetWriteDeadline(time.Now().Add(tellPatience))
	return json.NewEncoder(p.input).Encode(n)
}

func (p *process) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.input != nil {
		_ = p.input.Close()
		p.input = nil
	}
}

func (p *process) release(ctx context.Context) bool {
	_ = p.tell(news{Done: true}) // it may have ended itself
	p.hangUp()
	return p.endsWithin(ctx, tellPatience)
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	p.endsWithin(context.Background(), tellPatience)
}
