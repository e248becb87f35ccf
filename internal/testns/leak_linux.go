package testns

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// CheckLeaks fails the test when, at its end and after a grace of ten seconds, this process holds a network namespace that it did
// not hold at the call: by a thread inside, a descriptor, a socket, a mounted name under /run/netns, or a child process. Devices
// live as long as their namespace. Call it first in a test, and not in tests that run in parallel with others.
func CheckLeaks(tb TB) {
	tb.Helper()
	before, err := Holdings()
	if err != nil {
		tb.Fatalf("%v", err)
		return
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		var left []string
		err := Poll(ctx, 5*time.Millisecond, func() (bool, error) {
			now, err := Holdings()
			left = slices.DeleteFunc(now, func(s string) bool { return slices.Contains(before, s) })
			return len(left) == 0, err
		})
		if err != nil {
			tb.Errorf("testns: network namespaces left behind: %v:\n%s", err, strings.Join(left, "\n"))
		}
	})
}

// Holdings lists, one per line of text, what makes this process hold a network namespace besides the one its main thread is in.
func Holdings() ([]string, error) {
	home, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return nil, fmt.Errorf("testns: read own network namespace: %w", err)
	}
	threads, err := threadHoldings(home)
	if err != nil {
		return nil, err
	}
	files, err := fileHoldings(home)
	if err != nil {
		return nil, err
	}
	return slices.Concat(threads, files, nameHoldings(), childHoldings()), nil
}

// threadHoldings lists threads in another namespace than home.
func threadHoldings(home string) ([]string, error) {
	tasks, err := filepath.Glob("/proc/self/task/*")
	if err != nil {
		return nil, err
	}
	var held []string
	for _, task := range tasks {
		// A thread that is gone, or going, has no namespace any more.
		if ns, err := os.Readlink(task + "/ns/net"); err == nil && ns != home {
			held = append(held, fmt.Sprintf("thread %s is in %s", filepath.Base(task), ns))
		}
	}
	return held, nil
}

// fileHoldings lists descriptors of namespaces, and sockets in others than home.
func fileHoldings(home string) ([]string, error) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil, fmt.Errorf("testns: list own descriptors: %w", err)
	}
	var held []string
	for _, e := range entries {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err != nil {
			continue
		}
		if strings.HasPrefix(target, "net:[") && target != home {
			held = append(held, fmt.Sprintf("descriptor %s of %s", e.Name(), target))
		}
		if strings.HasPrefix(target, "socket:[") {
			if ns := socketNamespace(e.Name()); ns != "" && ns != home {
				held = append(held, fmt.Sprintf("descriptor %s, %s in %s", e.Name(), target, ns))
			}
		}
	}
	return held, nil
}

// socketNamespace names the namespace that a socket belongs to, or nothing when it cannot tell.
func socketNamespace(fd string) string {
	number, err := strconv.Atoi(fd)
	if err != nil {
		return ""
	}
	ns, err := unix.IoctlRetInt(number, unix.SIOCGSKNS)
	if err != nil {
		return ""
	}
	defer unix.Close(ns)
	target, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", ns))
	return target
}

// nameHoldings lists the names that this process made under /run/netns.
func nameHoldings() []string {
	entries, err := os.ReadDir(namesDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var held []string
	for _, e := range entries {
		if pid, ok := namePID(e.Name()); ok && pid == os.Getpid() {
			held = append(held, filepath.Join(namesDir, e.Name()))
		}
	}
	return held
}

// childHoldings lists child processes: one in a namespace keeps it.
func childHoldings() []string {
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	var held []string
	for _, list := range lists {
		data, _ := os.ReadFile(list)
		for _, pid := range strings.Fields(string(data)) {
			held = append(held, "child process "+pid)
		}
	}
	return held
}
