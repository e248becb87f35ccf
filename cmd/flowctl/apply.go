package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// apply commits a SPEC as one transaction: all of it or nothing.
func apply(ctx context.Context, std *streams, args []string) error {
	flags := newArguments("apply", "[--netns NS] [--adopt] [--conflicts MODE] [--confirm WINDOW] SPEC")
	netns, adopt, conflicts := flags.netns(), flags.adopt(), flags.conflicts()
	window := time.Duration(0)
	flags.Func("confirm", "take it back after this `window`, such as 30s, unless flowctl confirm is run in time", toConfirm(&window))
	manager, planned, err := planFor(ctx, std, flags, &planning{netns, adopt, conflicts}, args)
	if err != nil {
		return err
	}
	defer manager.Close()
	if err := checkAlone(ctx, manager, planned); err != nil {
		return err
	}
	generation := uint32(0)
	if window != 0 {
		generation, err = applyConfirm(ctx, std, manager, planned, window, *netns)
	} else {
		generation, err = manager.Apply(ctx, planned)
	}
	if err != nil {
		return err
	}
	for _, warning := range planned.Warnings() {
		fmt.Fprintf(std.out, "warning: %s\n", warning)
	}
	printBindings(std.out, planned.Bindings())
	if planned.Empty() {
		fmt.Fprintf(std.out, "nothing had to be done: generation %d is what was declared\n", generation)
		return nil
	}
	fmt.Fprintf(std.out, "applied, generation %d\n", generation)
	return nil
}

// checkAlone refuses a change beside a run of the same owner, which would undo it.
func checkAlone(ctx context.Context, manager *offload.Manager, planned *ruleset.Plan) error {
	if planned.Empty() {
		return nil
	}
	all, err := manager.Owners(ctx)
	if err != nil {
		return err
	}
	for _, o := range all {
		if o.Name == planned.Owner() && o.Run.Table != "" {
			return besideRun(o.Name, o.Run, "give the run the new SPEC (flowctl run reads its file again at SIGHUP), or end it first")
		}
	}
	return nil
}

// toConfirm reads how long a change waits to be confirmed. No time at all would be a change for good, which is not what was asked for.
func toConfirm(window *time.Duration) func(string) error {
	return func(word string) error {
		d, err := time.ParseDuration(word)
		if err != nil || d < time.Second {
			return errors.New("want a time of at least a second, such as 30s; without --confirm the change stays for good")
		}
		*window = d
		return nil
	}
}

// printBindings prints which device each flowtable bound to, or why it did not.
func printBindings(w io.Writer, bindings []flowtable.Binding) {
	for _, b := range bindings {
		fmt.Fprintln(w, describe(b))
	}
}

// describe is one line about a device of a flowtable.
func describe(b flowtable.Binding) string {
	text := fmt.Sprintf("flowtable %s, device %s: %s", b.Flowtable, flowtable.Spelled(b.Device), b.State)
	if b.Hardware {
		text += " for hardware"
	}
	if b.Why != "" {
		text += ", " + b.Why
	}
	return text
}
