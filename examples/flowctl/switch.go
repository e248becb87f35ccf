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
	fmt.Fprintln(std.out, "off: no flowtable is left, and none comes back until flowctl on")
	return nil
}

// on lets flowtables come back: a flowctl run that is under way brings them at once.
func on(ctx context.Context, std *streams, args []string) error {
	manager, owner, err := managerFor(ctx, std, "on", args)
	if err != nil {
		return err
	}
	defer manager.Close()
	if err := manager.On(ctx, owner); err != nil {
		return err
	}
	fmt.Fprintln(std.out, "on: flowctl run brings the flowtables back by itself; without one, flowctl apply does")
	return nil
}
