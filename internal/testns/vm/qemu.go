package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/go-fastpath/fastpath/internal/testns/vm/wire"
)

const memoryMB = 1536

// kernelArgs: an oops ends the machine at once, so that no test runs on a
// broken kernel; expedited RCU makes links and namespaces go away quickly. Without rep_good the kernel clears and copies pages by
// loops instead of by string instructions, of which qemu emulates each step by itself; with programs always at the same addresses, qemu
// keeps what it translated of ip and nft the last time.
const kernelArgs = "console=ttyS0 loglevel=5 panic=-1 oops=panic mitigations=off random.trust_cpu=on rcupdate.rcu_expedited=1 net.ifnames=0 panic_on_warn=0 clearcpuid=rep_good norandmaps"

// machine is one boot.
type machine struct {
	kernel *Kernel
	image  string // initramfs
	dir    string // for the socket and the console log

	used time.Duration // what qemu took of the host's, set once run has returned
}

func (m *machine) console() string { return filepath.Join(m.dir, "console.log") }

// errDied means that the machine ended before all jobs had.
var errDied = errors.New("the virtual machine ended before its work was done")

// run boots and calls handle for every frame until the guest is done, the
// machine dies, ctx ends or handle fails. No qemu is left when it returns.
func (m *machine) run(ctx context.Context, handle func(wire.Frame) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l, err := net.Listen("unix", filepath.Join(m.dir, "port"))
	if err != nil {
		return err
	}
	defer l.Close()
	exited := m.start(ctx)
	go func() { // a qemu that never connects must not hang the accept
		<-ctx.Done()
		l.Close()
	}()
	var said error
	died := make(chan struct{})
	go func() {
		said = <-exited
		close(died)
		l.Close()
	}()
	err = serveFrames(ctx, l, handle)
	cancel()
	<-died
	if errors.Is(err, errDied) && said != nil {
		return fmt.Errorf("%w: %w", err, said)
	}
	return err
}

func serveFrames(ctx context.Context, l net.Listener, handle func(wire.Frame) error) error {
	conn, err := l.Accept()
	if err != nil {
		return cmpErr(ctx, errDied)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	for {
		f, err := wire.Read(conn)
		if err != nil {
			return cmpErr(ctx, fmt.Errorf("%w (%w)", errDied, err))
		}
		if f.Kind == wire.Done {
			return nil
		}
		if err := handle(f); err != nil {
			return err
		}
	}
}

// cmpErr prefers the reason of the context.
func cmpErr(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// start runs qemu; the channel yields what it complained about once it is gone.
func (m *machine) start(ctx context.Context) <-chan error {
	p := m.kernel.processor()
	args := slices.Concat(p.machine, []string{
		"-accel", "tcg", "-smp", "1", "-m", fmt.Sprint(p.memoryMB),
		"-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
		"-kernel", m.kernel.image(), "-initrd", m.image, "-append", kernelArgs,
		"-chardev", "file,id=console,path=" + m.console(),
	}, p.console, []string{
		"-device", "virtio-serial-" + p.virtio, "-chardev", "socket,id=port,path=" + filepath.Join(m.dir, "port"),
		"-device", "virtserialport,chardev=port,name=" + wire.PortName,
	})
	exited := make(chan error, 1)
	go func() {
		// The parent-death signal is tied to the thread that starts qemu.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		cmd := exec.CommandContext(ctx, findTool(p.qemu), args...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		cmd.WaitDelay = 5 * time.Second
		err := cmd.Run()
		if cmd.ProcessState != nil {
			m.used = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		}
		if text := bytes.TrimSpace(stderr.Bytes()); err != nil && len(text) > 0 && ctx.Err() == nil {
			exited <- fmt.Errorf("qemu: %s", text)
			return
		}
		exited <- nil
	}()
	return exited
}

// trouble are the words of the kernel log that make a run fail.
var trouble = []string{"Kernel panic", "Oops", "BUG: ", "general protection fault", "refcount_t: ", "unregister_netdevice: waiting for", "WARNING: CPU", "WARNING: net/", "KASAN", "possible recursive locking"}

// consoleTrouble returns the part of the kernel log around the first trouble, "" if there is none.
func consoleTrouble(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for _, word := range trouble {
		if i := bytes.Index(b, []byte(word)); i >= 0 {
			start := max(0, i-200)
			return string(b[start:min(len(b), start+6000)])
		}
	}
	return ""
}

// consoleEnd returns the last lines of the kernel log.
func consoleEnd(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		return ""
	}
	return lastLines(string(b), 25)
}
