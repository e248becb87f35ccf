package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/go-fastpath/fastpath/conntrack"
)

// flows lists the connections of a namespace once, as a table or as one JSON object a line.
func flows(ctx context.Context, std *streams, args []string) error {
	flags := newArguments("flows", "[--netns NS] [--json] [--path slow|software|hardware]")
	netns := flags.netns()
	asJSON := flags.Bool("json", false, "print one JSON object a line")
	path := flags.String("path", "", "list only connections on this `path`: slow, software or hardware")
	if _, err := flags.parse(std, args, 0); err != nil {
		return err
	}
	match, err := onPath(*path)
	if err != nil {
		return err
	}
	watcher, err := conntrack.Open(ctx, &conntrack.Config{NetNS: *netns})
	if err != nil {
		return err
	}
	defer watcher.Close()
	out := bufio.NewWriter(std.out)
	newWriter := tableWriter
	if *asJSON {
		newWriter = jsonWriter
	}
	write := newWriter(out)
	for entry, err := range watcher.Entries(ctx, match) {
		if err == nil {
			err = write(entry)
		}
		if err != nil {
			return errors.Join(out.Flush(), err)
		}
	}
	return out.Flush()
}

// onPath matches the connections on a path; "" matches all.
func onPath(name string) (conntrack.Match, error) {
	if name == "" {
		return conntrack.Match{}, nil
	}
	var path conntrack.Path
	if err := path.UnmarshalText([]byte(name)); err != nil {
		return conntrack.Match{}, usageError{fmt.Errorf("--path: %w", err)}
	}
	return conntrack.Match{Paths: []conntrack.Path{path}}, nil
}

func jsonWriter(out io.Writer) func(conntrack.Entry) error {
	encoder := json.NewEncoder(out)
	return func(entry conntrack.Entry) error { return encoder.Encode(entry) }
}
