package main

import (
	"context"
	"fmt"
	"io"

	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// plan reads the machine and the kernel and prints what apply would do. It changes nothing.
func plan(ctx context.Context, std *streams, args []string) error {
	manager, planned, err := planFor(ctx, std, "plan", args)
	if err != nil {
		return err
	}
	defer manager.Close()
	printPlan(std.out, planned)
	return nil
}

// planFor reads a command's flags and SPEC and plans it in the namespace that they name. The caller closes the Manager.
func planFor(ctx context.Context, std *streams, command string, args []string) (*offload.Manager, *ruleset.Plan, error) {
	flags := newArguments(command, "[--netns NS] SPEC")
	netns := flags.netns()
	names, err := flags.parse(std, args, 1)
	if err != nil {
		return nil, nil, err
	}
	spec, err := readSpec(std, names[0])
	if err != nil {
		return nil, nil, err
	}
	manager, err := offload.Open(ctx, &offload.Config{NetNS: *netns})
	if err != nil {
		return nil, nil, err
	}
	planned, err := manager.Plan(ctx, spec)
	if err != nil {
		manager.Close()
		return nil, nil, err
	}
	return manager, planned, nil
}

// printPlan prints a plan as an nft file: reasons and warnings are comments.
func printPlan(w io.Writer, planned *ruleset.Plan) {
	if planned.Empty() {
		fmt.Fprintf(w, "# nothing to do: generation %d is what was declared\n", planned.Generation())
	}
	for _, warning := range planned.Warnings() {
		fmt.Fprintf(w, "# warning: %s\n", warning)
	}
	for _, operation := range planned.Operations() {
		if operation.Reason != "" {
			fmt.Fprintf(w, "# %s\n", operation.Reason)
		}
		fmt.Fprintln(w, operation)
	}
}
