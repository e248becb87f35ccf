package main

import (
	"context"
	"fmt"

	timo "github.com/ti-mo/conntrack"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/conntrack"
)

// dumped measures one dump in a process that did nothing before. The socket is there already.
func dumped(dump func() (int, error)) (r report, err error) {
	heap := watchHeap()
	s, err := timed(func() (err error) {
		r.Count, err = dump()
		return err
	})
	r.Wall, r.CPU, r.Mallocs, r.Heap = s.wall, s.cpu, s.allocs, heap()
	return r, err
}

// complete refuses a dump that lacks something.
func (t *task) complete(r report, err error) (report, error) {
	if err == nil && r.Count != t.Flows {
		err = fmt.Errorf("%d connections, want %d", r.Count, t.Flows)
	}
	return r, err
}

func rawDumpWork(_ context.Context, t *task, _ func()) (report, error) {
	fd, err := dialRaw()
	if err != nil {
		return report{}, err
	}
	defer unix.Close(fd)
	buf := make([]byte, rawBuffer)
	return t.complete(dumped(func() (int, error) { return dumpRaw(fd, buf, t.Filter) }))
}

func entriesWork(ctx context.Context, t *task, _ func()) (report, error) {
	w, err := conntrack.Open(ctx, nil)
	if err != nil {
		return report{}, err
	}
	defer w.Close()
	return t.complete(dumped(func() (n int, err error) {
		for _, err := range w.Entries(ctx, t.Filter.match()) {
			if err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	}))
}

func timoDumpWork(_ context.Context, t *task, _ func()) (report, error) {
	c, err := timo.Dial(nil)
	if err != nil {
		return report{}, err
	}
	defer c.Close()
	return t.complete(dumped(func() (int, error) {
		flows, err := c.Dump(nil)
		return len(flows), err
	}))
}

func vishvanandaWork(_ context.Context, t *task, _ func()) (report, error) {
	return t.complete(dumped(func() (int, error) {
		flows, err := netlink.ConntrackTableList(netlink.ConntrackTable, unix.AF_INET)
		return len(flows), err
	}))
}

// match is the filter for package conntrack.
func (f filter) match() conntrack.Match {
	return conntrack.Match{Status: conntrack.Status(f.Status), Mark: f.Mark, Mask: f.Mark}
}
