//go:build linux

// Command quickstart is the tour of fastpath in one run: it declares two flowtables, compiles and applies them to a router
// made of network namespaces, sends traffic through it, and watches the connections leave the classic path.
//
// It needs root and a kernel with flowtables; `make demo` boots one where the machine's own has none. Nothing outside its own
// namespaces is touched, and they end with it. tour.go is the story.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/offload"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	result, err := run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
	}
	if errors.Is(err, offload.ErrNoFlowtables) {
		fmt.Fprintln(os.Stderr, "demo: make demo KERNEL=6.12 runs it on a kernel that has them")
	}
	if err != nil {
		os.Exit(1)
	}
	fmt.Println("\n" + result.String())
	if result.failed > 0 {
		os.Exit(1)
	}
}

// run opens what the tour needs: a network, a Manager that serves one namespace, a Watcher of its connections.
func run(ctx context.Context, out io.Writer) (result tally, err error) {
	network, err := buildNetwork(ctx)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, network.Close()) }()
	network.describe(out)

	manager, err := offload.Open(ctx, &offload.Config{NetNS: network.Path()})
	if err != nil {
		return result, err
	}
	defer manager.Close()
	watcher, err := manager.Watch(ctx, &conntrack.Config{Poll: pollEvery})
	if err != nil {
		return result, err
	}
	defer watcher.Close()

	t := &tour{out: out, network: network, manager: manager, watcher: watcher}
	if err := t.declareAndApply(ctx); err != nil {
		return result, err
	}
	result, err = t.sendTraffic(ctx)
	return result, errors.Join(err, t.tearDown(ctx))
}
