package vm

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"
)

// machines is how many virtual machines run at a time: three for two processors. Two out of five seconds of a boot are waiting, for
// timeouts of the kernel above all, so that one machine for each processor leaves it idle; many more slow each other down until
// tests that watch the clock fail.
func machines(processors int) int { return max(1, processors*3/2) }

// slot waits until fewer virtual machines than may run at a time do so from this cache.
func (c *Cache) slot(ctx context.Context, say func(string, ...any)) (free func(), err error) {
	told, limit := false, machines(runtime.NumCPU())
	for {
		for i := range limit {
			f, err := c.tryLock(fmt.Sprintf("slot-%d", i))
			if err != nil {
				return nil, err
			}
			if f != nil {
				return func() { f.Close() }, nil
			}
		}
		if !told {
			say("waiting: %d virtual machines run already", limit)
			told = true
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// tryLock returns nil if somebody else holds the lock.
func (c *Cache) tryLock(name string) (*os.File, error) {
	f, err := os.OpenFile(c.path("locks", name), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err {
	case nil:
		return f, nil
	case syscall.EWOULDBLOCK:
		return nil, f.Close()
	default:
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
}
