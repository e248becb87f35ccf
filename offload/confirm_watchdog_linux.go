package offload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strconv"

	"golang.org/x/sys/unix"
)

// Watchdog is the other process of ApplyConfirm: a program calls it when it was started by the command of Config.Watchdog, first thing in main,
// and ends when it returns. It takes the change back if its time comes, and tells the logger (nil is nobody) what it did.
//
// It is told what to do through its standard input, and answers on its standard output; the network namespace is its descriptor 3. Its
// standard error is /dev/null: give it a logger that goes elsewhere, such as syslog. It keeps nothing of what it inherited, so that no lock is held and
// no shell waits for a pipe because of it: every descriptor without close-on-exec is closed. Those that a Go program opens itself have it.
//
// It ignores SIGHUP, SIGINT and SIGPIPE; SIGTERM makes it take the change back at once. SIGKILL, and a service manager that kills a service's
// whole control group, leave the change as it is, with its mark.
//
// A program that forgets to call it cannot start another one: ApplyConfirm is refused while FASTPATH_WATCHDOG is set in the environment, which
// Watchdog takes away.
func Watchdog(ctx context.Context, log *slog.Logger) error {
	input := json.NewDecoder(os.Stdin)
	var w watch
	if err := input.Decode(&w); err != nil {
		return fmt.Errorf("offload: the watchdog is started by Manager.ApplyConfirm alone: %w", err)
	}
	if w.Backup == nil || w.Window <= 0 {
		return errors.New("offload: the watchdog is started by Manager.ApplyConfirm alone")
	}
	_ = os.Unsetenv(watchdogVariable)
	signal.Ignore(unix.SIGHUP, unix.SIGINT, unix.SIGPIPE)
	terminated, stop := signal.NotifyContext(context.WithoutCancel(ctx), unix.SIGTERM)
	defer stop()
	if err := closeInherited(); err != nil {
		return fmt.Errorf("offload: the watchdog cannot tell what it inherited: %w", err)
	}
	m, err := Open(ctx, &Config{NetNS: fmt.Sprintf("/proc/self/fd/%d", watchdogNetNS), Logger: log})
	if err != nil {
		return err
	}
	_ = unix.Close(watchdogNetNS) // Open has pinned it
	heard := make(chan news)
	go hear(ctx, input, heard)
	if err := answerReady(); err != nil {
		return errors.Join(err, m.Close())
	}
	err = w.keep(ctx, m, heard, terminated.Done())
	if err != nil {
		m.log.ErrorContext(ctx, "an unconfirmed change was not taken back", "owner", w.Mark.Owner, "err", err)
	}
	return errors.Join(err, m.Close())
}

// closeInherited closes what the process that applies, or a shell before it, left open without close-on-exec. What this one opened has it.
func closeInherited() error {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, entry := range list {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil || fd <= watchdogNetNS {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			_ = unix.Close(fd)
		}
	}
	return nil
}

// answerReady lets go of the standard output, and then says so there.
func answerReady() error {
	fd, err := unix.FcntlInt(os.Stdout.Fd(), unix.F_DUPFD_CLOEXEC, watchdogNetNS+1)
	if err != nil {
		return err
	}
	answer := os.NewFile(uintptr(fd), "answer")
	defer answer.Close()
	if err := forgetStdout(); err != nil {
		return err
	}
	_, err = fmt.Fprintln(answer, watchdogReady)
	return err
}

func forgetStdout() error {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	return unix.Dup3(int(null.Fd()), int(os.Stdout.Fd()), 0)
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
