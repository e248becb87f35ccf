//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-fastpath/fastpath/conntrack"
)

// showRest prints what the demo left in the router: no table, and no connection in a flowtable.
func (n *network) showRest(ctx context.Context, out io.Writer, watcher *conntrack.Watcher) error {
	ruleset, err := n.NS.Ruleset(ctx)
	if err != nil {
		return err
	}
	if strings.TrimSpace(ruleset) == "" {
		ruleset = "nothing"
	}
	fmt.Fprintf(out, "nft list ruleset: %s\n", ruleset)
	offloaded, err := awaitNone(ctx, watcher)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "connections with an offload bit: %d\n", offloaded)
	if ruleset != "nothing" || offloaded != 0 {
		return fmt.Errorf("the teardown left something behind, see above")
	}
	return nil
}

// awaitNone waits until no connection has an offload bit, and returns how many still have one after a while.
func awaitNone(ctx context.Context, watcher *conntrack.Watcher) (left int, err error) {
	ctx, cancel := context.WithTimeout(ctx, settleFor)
	defer cancel()
	again := time.NewTicker(pollEvery)
	defer again.Stop()
	for {
		left = 0
		for _, err := range watcher.Entries(ctx, conntrack.Match{Paths: []conntrack.Path{conntrack.Software, conntrack.Hardware}}) {
			if err != nil {
				return left, err
			}
			left++
		}
		if left == 0 {
			return 0, nil
		}
		select {
		case <-ctx.Done():
			return left, nil
		case <-again.C:
		}
	}
}
