package main

import (
	"context"
	"fmt"
)

// uninstall removes every table of an owner and puts the settings back that its rules had changed.
func uninstall(ctx context.Context, std *streams, args []string) error {
	manager, owner, err := managerFor(ctx, std, "uninstall", args)
	if err != nil {
		return err
	}
	defer manager.Close()
	done, err := manager.Uninstall(ctx, owner)
	if done == nil {
		return err
	}
	for _, operation := range done.Plan.Operations() {
		fmt.Fprintln(std.out, operation)
	}
	for _, setting := range done.Restored {
		fmt.Fprintf(std.out, "put back: %s to %s\n", setting.Key, setting.Value)
	}
	for _, left := range done.Left {
		fmt.Fprintf(std.out, "warning: %s stays %s: %s\n", left.Key, left.Value, left.Why)
	}
	fmt.Fprintf(std.out, "uninstalled, generation %d\n", done.Generation)
	return err
}
