package testns

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// threadNS is the network namespace of the calling thread. /proc/self/ns/net would be that of the main thread.
const threadNS = "/proc/thread-self/ns/net"

// errEnded is what a function that called runtime.Goexit (testing.T.FailNow does) leaves behind.
var errEnded = errors.New("testns: the function ended its goroutine instead of returning; report failures by its error")

// onThread runs f on a thread of its own. The thread returns to the network namespace it started in and dies, so f may enter
// others freely: no goroutine ever inherits them.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go lockedThread(f, done)
	return <-done
}

func lockedThread(f func() error, done chan<- error) {
	err := errEnded
	defer func() { done <- err }()

	// Never unlocked: the runtime ends the thread with this goroutine.
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// The main thread cannot be ended and lends its namespace to /proc/self. Keep it busy, so that the work lands elsewhere.
		defer runtime.UnlockOSThread()
		err = onThread(f)
		return
	}
	home, openErr := unix.Open(threadNS, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if openErr != nil {
		err = fmt.Errorf("testns: open the thread's network namespace: %w", openErr)
		return
	}
	defer unix.Close(home)
	// Going home before the thread dies frees the namespace at once. If it fails the thread's death does the same, later.
	defer func() { _ = unix.Setns(home, unix.CLONE_NEWNET) }()
	err = f()
}
