package testns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// serversPPPD is what pppoe-server starts in place of pppd: Debian's pppoe-server knows only sessions that its own tool pppoe carries in
// user space, and such a peer refuses the packets of local senders, which have no checksum yet. The kernel takes them.
const serversPPPD = `#!/bin/sh
# arguments: pty "/usr/sbin/pppoe -n -I DEVICE -e SESSION:MAC ..." and more
device=${2#* -I } session=${2#* -e }
shift 2
exec pppd plugin rp-pppoe.so rp_pppoe_sess "${session%% *}" "nic-${device%% *}" "$@"
`

// pppdOptions are those of both ends. What the peer was too late for is repeated after a second, not after three.
const pppdOptions = "noauth\n+ipv6\nlcp-restart 1\nipcp-restart 1\nipv6cp-restart 1\n"

// startPPPoE starts pppoe-server at the host's end of a link and pppd at the router's, and returns when both have addresses. Discovery is
// theirs, the session's packets are the kernel's at both ends.
func (r *Router) startPPPoE(ctx context.Context, h *host) error {
	dir, err := os.MkdirTemp("", "testns-pppoe-")
	if err != nil {
		return fmt.Errorf("testns: folder for pppd: %w", err)
	}
	r.temporary = append(r.temporary, dir)
	options, pppd := filepath.Join(dir, "options"), filepath.Join(dir, "pppd")
	err = errors.Join(os.WriteFile(options, []byte(pppdOptions), 0o600), os.WriteFile(pppd, []byte(serversPPPD), 0o700))
	if err != nil {
		return fmt.Errorf("testns: options of pppd: %w", err)
	}
	server, err := startDaemon(h.ns, dir, "pppoe-server", "-F", "-q", pppd, "-I", h.stack.pppoeDevice(hostDevice), "-O", options, "-N", "1",
		"-L", h.addr(IPv4).String(), "-R", h.gw(IPv4).String())
	if err != nil {
		return err
	}
	r.daemons = append(r.daemons, server)
	err = Poll(ctx, 5*time.Millisecond, func() (bool, error) { // pppd asks again after 5 seconds only
		sockets, err := h.ns.Run(ctx, "", "cat", "/proc/net/packet")
		return strings.Contains(sockets, " 8863 ") || server.ended(), err
	})
	if err != nil {
		return fmt.Errorf("testns: wait for pppoe-server: %w", err)
	}
	client, err := startDaemon(r.NS, dir, "pppd", "file", options, "plugin", "rp-pppoe.so", "nic-"+h.stack.pppoeDevice(h.device),
		"nodetach", "noipdefault", "ipcp-accept-local", "ipcp-accept-remote", "nodefaultroute", "unit", "0", "logfd", "1")
	if err != nil {
		return err
	}
	r.daemons = append(r.daemons, client)
	err = Poll(ctx, 20*time.Millisecond, func() (bool, error) {
		if client.ended() || server.ended() {
			return false, errors.New("pppd or pppoe-server has ended")
		}
		return hasAddress(r.NS, pppDevice, h.gw(IPv4)) && hasAddress(h.ns, pppDevice, h.addr(IPv4)), nil
	})
	if err != nil {
		return fmt.Errorf("testns: PPPoE session: %w; pppd said:\n%s\npppoe-server said:\n%s", err, client.said(), server.said())
	}
	return nil
}

// pppoeDevice is the device that the session runs over.
func (s Stack) pppoeDevice(base string) string { return s.layers(base).All[1] }

// hasAddress tells whether a device is there, up and bears an address.
func hasAddress(ns *Namespace, device string, want netip.Addr) bool {
	found := false
	_ = ns.Do(func() error { // a device that is not there is no error
		dev, err := net.InterfaceByName(device)
		if err != nil || dev.Flags&net.FlagUp == 0 {
			return err
		}
		addrs, err := dev.Addrs()
		found = slices.ContainsFunc(addrs, func(a net.Addr) bool { return strings.HasPrefix(a.String(), want.String()+"/") })
		return err
	})
	return found
}

// A daemon is a program that runs until it is told to end, in a process group of its own.
type daemon struct {
	cmd  *exec.Cmd
	log  string // path of what it said
	done chan struct{}
}

// startDaemon starts a program inside a namespace. What it says goes to a file in dir.
func startDaemon(ns *Namespace, dir, name string, args ...string) (*daemon, error) {
	d := &daemon{log: filepath.Join(dir, name+".log"), done: make(chan struct{})}
	out, err := os.Create(d.log)
	if err != nil {
		return nil, fmt.Errorf("testns: log of %s: %w", name, err)
	}
	defer out.Close()
	d.cmd = exec.Command(name, args...)
	d.cmd.Stdout, d.cmd.Stderr = out, out
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := ns.Start(d.cmd); err != nil {
		return nil, fmt.Errorf("testns: in namespace %s: start %s: %w", ns, name, err)
	}
	go func() {
		_ = d.cmd.Wait() // how it ended is in its log
		close(d.done)
	}()
	return d, nil
}

func (d *daemon) ended() bool {
	select {
	case <-d.done:
		return true
	default:
		return false
	}
}

func (d *daemon) said() string {
	text, err := os.ReadFile(d.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// stop asks the program to end, waits, and in the end kills it with what it started.
func (d *daemon) stop() {
	_ = d.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-d.done:
	case <-time.After(10 * time.Second):
	}
	_ = syscall.Kill(-d.cmd.Process.Pid, syscall.SIGKILL)
	<-d.done
}
