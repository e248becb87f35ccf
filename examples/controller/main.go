//go:build linux

// Command controller is an agent in the manner of Kubernetes: it keeps the rulesets attached that objects declare, and writes what
// became of each into the object's status. It has no dependency on Kubernetes: a folder stands in for the API server, and Reconcile
// has the shape that controller-runtime calls.
//
//	controller [--netns NS] [--adopt] [--takeover] FOLDER
//
// FOLDER/NAME.json is an object such as router.json beside this file, FOLDER/status/NAME.json its status. Remove an object, and its
// tables go; end the controller (SIGINT, SIGTERM), and they stay. docs/controllers.md tells how the pieces fit together.
package main

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-fastpath/fastpath/offload"
)

func main() {
	var cfg offload.Config
	flag.StringVar(&cfg.NetNS, "netns", "", "network `namespace`: a name under /run/netns or a path")
	flag.BoolVar(&cfg.Adopt, "adopt", false, "take over tables of a declared name that are not ours")
	flag.BoolVar(&cfg.Run.Takeover, "takeover", false, "ask another run of the same owner to leave")
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	err := serve(ctx, flag.Arg(0), &cfg)
	if err != nil {
		cfg.Logger.Error("controller", "err", err)
		os.Exit(1)
	}
}

// serve reconciles the objects of a folder until ctx ends.
func serve(ctx context.Context, path string, cfg *offload.Config) error {
	objects, err := openFolder(path)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	work := newQueue()
	watched := make(chan error, 1)
	go func() {
		watched <- objects.watch(ctx, func() error { return addAll(objects, work) })
		stop()
	}()
	r := &Reconciler{objects: objects, open: with(cfg), takeover: cfg.Run.Takeover, changed: work.add, agents: map[string]*agent{}}
	for {
		name, ok := work.next(ctx)
		if !ok {
			break
		}
		err := r.Reconcile(ctx, name)
		if again := work.done(name, err); err != nil {
			cfg.Logger.WarnContext(ctx, "not reconciled", "object", name, "err", err, "again", again)
		}
	}
	if err = <-watched; errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, r.close())
}

// with opens Managers that differ in how they run.
func with(cfg *offload.Config) opener {
	return func(ctx context.Context, run offload.RunConfig) (*offload.Manager, error) {
		c := *cfg
		c.Run.Observe, c.Run.Takeover = run.Observe, run.Takeover
		return offload.Open(ctx, &c)
	}
}

// addAll has every object looked at: which of them changed, Reconcile finds out.
func addAll(objects folder, work *queue) error {
	names, err := objects.names()
	for _, name := range names {
		work.add(name)
	}
	return err
}
