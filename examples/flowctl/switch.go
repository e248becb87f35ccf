package main

import (
	"context"
	"fmt"
)

// off takes an owner's connections back to the classic path and keeps them there, whoever applies what. The rest of its ruleset stays.
func off(ctx context.Context, std *streams, args []string) error {
	manager, owner, err := managerFor(ctx, std, "off", args)
	if err != nil {
		return err
	}
	defer manager.Close()
	if err := manager.Off(ctx, owner); err != nil {
		return err
	}
	mark, is, err := manager.IsOff(ctx, owner)
	if err != nil {
		return err
	}
	if !is {
		fmt.Fprintln(std.out, "off: no flowtable is left, but someone switched it on again meanwhile")
		return nil
	}
	fmt.Fprintf(std.out, "off since %s: no flowtable is left, and none comes back until flowctl on\n", mark.Since)
	if mark.Restored {
		fmt.Fprintln(std.out, "note:", mark)
	}
	return nil
}

// on lets flowtables come back: a flowctl run that is under way brings them at once.
func on(ctx context.Context, std *streams, args []string) error {
	manager, owner, err := managerFor(ctx, std, "on", args)
	if err != nil {
		return err
	}
	defer manager.Close()
	mark, was, err := manager.IsOff(ctx, owner)
	if err != nil {
		return err
	}
	if err := manager.On(ctx, owner); err != nil {
		return err
	}
	switch {
	case !was:
		fmt.Fprintln(std.out, "on: it was not off")
		return nil
	case mark.Restored:
		fmt.Fprintf(std.out, "on: it was off since %s, by a mark that came back with a saved ruleset\n", mark.Since)
	default:
		fmt.Fprintf(std.out, "on: it was off since %s\n", mark.Since)
	}
	fmt.Fprintln(std.out, "on: flowctl run brings the flowtables back by itself; without one, flowctl apply does")
	return nil
}
