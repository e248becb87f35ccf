package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	timo "github.com/ti-mo/conntrack"
	"github.com/ti-mo/netfilter"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// eventBuffer is everybody's receive buffer here: some would die of a loss, and others not notice it.
const eventBuffer = 256 << 20

// patience is how long events that are queued may take.
const patience = 10 * time.Second

// heard counts events until ctx ends, in a process that does nothing else. The listener says when its preparations are over, and
// that is when the measurement begins.
func heard(ctx context.Context, t *task, ready func(), listen func(events *atomic.Int64, begin func()) error) (report, error) {
	var events atomic.Int64
	var start time.Time
	var cpu time.Duration
	ended, begun := make(chan error, 1), make(chan struct{})
	go func() {
		ended <- listen(&events, func() {
			start, cpu = time.Now(), processTime()
			close(begun)
			ready()
		})
	}()
	all, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-ctx.Done()
		for end := time.Now().Add(patience); events.Load() < int64(t.Flows) && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond) // what is queued is heard to its end
		}
		cancel()
	}()
	select {
	case err := <-ended:
		return report{}, errors.Join(errors.New("the listener ended"), err)
	case <-all.Done():
	}
	<-begun // the parent ends nobody before
	return report{CPU: processTime() - cpu, Wall: time.Since(start), Count: int(events.Load())}, nil
}

// rawEventsWork is the floor: it receives and counts headers.
func rawEventsWork(ctx context.Context, t *task, ready func()) (report, error) {
	fd, err := dialRaw()
	if err != nil {
		return report{}, err
	}
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, eventBuffer)
	for _, group := range []int{nlmsg.GroupConntrackNew, nlmsg.GroupConntrackUpdate, nlmsg.GroupConntrackDestroy} {
		err = errors.Join(err, unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, group))
	}
	if err != nil {
		return report{}, err
	}
	return heard(ctx, t, ready, func(events *atomic.Int64, begin func()) error {
		begin()
		o, buf := nlmsg.Native(), make([]byte, rawBuffer)
		for {
			n, err := receiveRaw(fd, buf)
			if err != nil {
				return err
			}
			for rest := buf[:n]; len(rest) >= unix.NLMSG_HDRLEN; rest = rest[min((int(o.Uint32(rest))+3)&^3, len(rest)):] {
				events.Add(1)
			}
		}
	})
}

// changesWork is Changes without its readings of the table, which have a measurement of their own.
func changesWork(ctx context.Context, t *task, ready func()) (report, error) {
	w, err := conntrack.Open(ctx, &conntrack.Config{Poll: time.Hour, ReadBuffer: eventBuffer})
	if err != nil {
		return report{}, err
	}
	defer w.Close()
	return heard(ctx, t, ready, func(events *atomic.Int64, begin func()) error {
		for c, err := range w.Changes(context.Background(), conntrack.Match{}) {
			switch {
			case err != nil:
				return err
			case c.Kind == conntrack.Synced:
				begin()
			case c.Kind == conntrack.Overrun:
				return fmt.Errorf("%v", c)
			default:
				events.Add(1)
			}
		}
		return nil
	})
}

func timoListenWork(ctx context.Context, t *task, ready func()) (report, error) {
	c, err := timo.Dial(nil)
	if err != nil {
		return report{}, err
	}
	if err := c.SetReadBuffer(eventBuffer); err != nil {
		return report{}, err
	}
	ch := make(chan timo.Event, 1024)
	failed, err := c.Listen(ch, 1, netfilter.GroupsCT)
	if err != nil {
		return report{}, err
	}
	return heard(ctx, t, ready, func(events *atomic.Int64, begin func()) error {
		begin()
		for {
			select {
			case <-ch:
				events.Add(1)
			case err := <-failed:
				return err
			}
		}
	})
}
