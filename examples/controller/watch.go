//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"syscall"
)

// watch calls changed after something in the folder changed, until ctx ends. It sleeps in between: an agent that polls is never idle.
func (f folder) watch(ctx context.Context, changed func() error) error {
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err != nil {
		return fmt.Errorf("watch %s: %w", f.path, err)
	}
	events := os.NewFile(uintptr(fd), "inotify")
	defer events.Close()
	const finished = syscall.IN_CLOSE_WRITE | syscall.IN_MOVED_TO | syscall.IN_MOVED_FROM | syscall.IN_DELETE
	if _, err := syscall.InotifyAddWatch(fd, f.path, finished); err != nil {
		return fmt.Errorf("watch %s: %w", f.path, err)
	}
	defer context.AfterFunc(ctx, func() { events.Close() })() // ends Read
	buffer := make([]byte, 64<<10)
	for {
		if err := changed(); err != nil { // first, for what was there before
			return err
		}
		if _, err := events.Read(buffer); ctx.Err() != nil {
			return ctx.Err()
		} else if err != nil {
			return fmt.Errorf("watch %s: %w", f.path, err)
		}
	}
}
