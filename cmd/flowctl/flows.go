package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/offload"
)

// flows lists the connections of a namespace, as a table or as one JSON object a line: once, or with --watch also what happens to them.
func flows(ctx context.Context, std *streams, args []string) error {
	flags := newArguments("flows", "[--netns NS] [--watch [--poll TIME]] [--json] "+filterSynopsis)
	netns := flags.netns()
	watch := flags.Bool("watch", false, "go on with what happens to them, until it is interrupted")
	poll := flags.Duration("poll", 0, "with --watch, the least `time` between two readings of the table; 0 is 1s, and 5s where flowtables are announced")
	asJSON := flags.Bool("json", false, "print one JSON object a line")
	which := flags.filters()
	if _, err := flags.parse(std, args, 0); err != nil {
		return err
	}
	switch err := which.check(); {
	case err != nil:
		return err
	case *watch && which.device != "":
		return usageError{errors.New("--device means nothing with --watch: routes are asked once")}
	case *poll != 0 && !*watch || *poll < 0:
		return usageError{errors.New("--poll is a time for --watch")}
	}
	manager, err := offload.Open(ctx, &offload.Config{NetNS: *netns})
	if err != nil {
		return err
	}
	defer manager.Close()
	watcher, err := manager.Watch(ctx, &conntrack.Config{Poll: *poll})
	if err != nil {
		return err
	}
	defer watcher.Close()
	if err := noteLacks(ctx, std.err, watcher, *netns, *watch, *asJSON); err != nil {
		return err
	}
	if *watch {
		return follow(ctx, std.out, watcher, which.Match, *asJSON)
	}
	if which.device != "" {
		return list(std.out, *asJSON, goingBy(ctx, std.err, manager, which))
	}
	return list(std.out, *asJSON, watcher.Entries(ctx, which.Match))
}

// list prints connections as they come.
func list(to io.Writer, asJSON bool, entries iter.Seq2[conntrack.Entry, error]) error {
	out := bufio.NewWriter(to)
	newWriter := tableWriter
	if asJSON {
		newWriter = jsonWriter
	}
	write := newWriter(out)
	for entry, err := range entries {
		if err == nil {
			err = write(entry)
		}
		if err != nil {
			return errors.Join(out.Flush(), err)
		}
	}
	return out.Flush()
}

// goingBy are the connections that go by a device, and a note about those of which that is open.
func goingBy(ctx context.Context, notes io.Writer, manager *offload.Manager, which *filter) iter.Seq2[conntrack.Entry, error] {
	return func(yield func(conntrack.Entry, error) bool) {
		found, err := manager.Evict(ctx, offload.Eviction{Match: which.Match, Device: which.device, DryRun: true})
		if err != nil {
			yield(conntrack.Entry{}, err)
			return
		}
		if found.Untold > 0 {
			fmt.Fprintf(notes, "note: %s\n", untold(found.Untold, which.device, "are not listed"))
		}
		for _, v := range found.Victims {
			if !yield(v.Entry, nil) {
				return
			}
		}
	}
}

// untold says of how many connections it is open whether they go by a device.
func untold(n uint64, device, fate string) string {
	return fmt.Sprintf("of %s nothing tells for certain whether their packets go by %s: they %s", count(int(n), "connection"), device, fate)
}

func jsonWriter(out io.Writer) func(conntrack.Entry) error {
	encoder := newEncoder(out)
	return func(entry conntrack.Entry) error { return encoder.Encode(entry) }
}
