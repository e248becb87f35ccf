//go:build linux

// Command guest is /init of the micro VM: it loads the kernel modules, runs the
// jobs of the work file one after the other and sends what they print, and the
// files they leave, to the host. It never returns.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/go-fastpath/fastpath/internal/testns/vm/wire"
)

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "guest init:", err) // goes to the console
	}
	syscall.Sync()
	syscall.Reboot(syscall.LINUX_REBOOT_CMD_RESTART) // with qemu -no-reboot: the end
}

func serve() error {
	if err := mounts(); err != nil {
		return err
	}
	if err := environment(); err != nil {
		return err
	}
	work, err := readWork()
	if err != nil {
		return err
	}
	var failed []string
	for _, m := range work.Modules {
		if err := loadModule(m); err != nil {
			failed = append(failed, err.Error())
		}
	}
	out, err := openPort(wire.PortName)
	if err != nil {
		return fmt.Errorf("%w (%s)", err, strings.Join(failed, "; "))
	}
	if len(failed) > 0 {
		return out.trouble(fmt.Errorf("%s", strings.Join(failed, "; ")))
	}
	if err := out.sendJSON(wire.Hello, 0, greeting()); err != nil {
		return err
	}
	for i, j := range work.Jobs {
		out.send(wire.Frame{Kind: wire.Start, Job: i})
		if err := out.sendJSON(wire.Exit, i, runJob(out, i, j)); err != nil {
			return err
		}
	}
	if err := out.sendTree(wire.OutDir); err != nil {
		return out.trouble(fmt.Errorf("sending files: %w", err))
	}
	if err := out.send(wire.Frame{Kind: wire.Done}); err != nil {
		return err
	}
	for { // the host ends the machine
		if err := syscall.Pause(); err != nil && err != syscall.EINTR {
			return err
		}
	}
}

func readWork() (*wire.Work, error) {
	b, err := os.ReadFile(wire.JobFile)
	if err != nil {
		return nil, err
	}
	var w wire.Work
	if err := json.Unmarshal(b, &w); err != nil {
		return nil, fmt.Errorf("%s: %w", wire.JobFile, err)
	}
	return &w, nil
}

func greeting() wire.Greeting {
	var u syscall.Utsname
	if err := syscall.Uname(&u); err != nil {
		return wire.Greeting{}
	}
	g := wire.Greeting{Release: text(u.Release[:]), Version: text(u.Version[:])}
	if b, err := os.ReadFile("/proc/uptime"); err == nil {
		fmt.Sscan(string(b), &g.Uptime)
	}
	return g
}

func text[C int8 | uint8](c []C) string {
	var b []byte
	for _, v := range c {
		if v == 0 {
			break
		}
		b = append(b, byte(v))
	}
	return string(b)
}
