package main

import (
	"cmp"
	"context"
	"fmt"
	"io"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// plan reads the machine and the kernel and prints what apply would do. It changes nothing.
func plan(ctx context.Context, std *streams, args []string) error {
	flags := newArguments("plan", "[--netns NS] [--adopt] [--conflicts MODE] [--exit-code] SPEC")
	netns, adopt, conflicts := flags.netns(), flags.adopt(), flags.conflicts()
	exitCode := flags.Bool("exit-code", false, "exit with status 3 if there is something to do")
	manager, planned, err := planFor(ctx, std, flags, &planning{netns, adopt, conflicts}, args)
	if err != nil {
		return err
	}
	defer manager.Close()
	victims, err := manager.Victims(ctx, planned)
	if err != nil {
		return err
	}
	printPlan(std.out, planned)
	printVictims(std.out, victims)
	if *exitCode && !planned.Empty() {
		return errPending
	}
	return nil
}

// planning are the flags that a plan depends on.
type planning struct {
	netns     *string
	adopt     *bool
	conflicts *string
}

// planFor reads a command's flags and SPEC and plans it in the namespace that they name. The caller closes the Manager.
func planFor(ctx context.Context, std *streams, flags arguments, common *planning, args []string) (*offload.Manager, *ruleset.Plan, error) {
	names, err := flags.parse(std, args, 1)
	if err != nil {
		return nil, nil, err
	}
	mode, err := conflictMode(*common.conflicts)
	if err != nil {
		return nil, nil, err
	}
	spec, err := readSpec(std, names[0])
	if err != nil {
		return nil, nil, err
	}
	manager, err := offload.Open(ctx, &offload.Config{NetNS: *common.netns, Adopt: *common.adopt, Conflicts: mode, Watchdog: selfAsWatchdog()})
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
	printLeftOut(w, "# warning: ", planned)
	for _, operation := range planned.Operations() {
		if operation.Reason != "" {
			fmt.Fprintf(w, "# %s\n", operation.Reason)
		}
		fmt.Fprintln(w, operation)
	}
}

// printVictims prints the flows that apply evicts, as comments.
func printVictims(w io.Writer, victims []offload.Victim) {
	for _, v := range victims {
		fmt.Fprintf(w, "# evicts %s %v: %s", cmp.Or(conntrack.ProtocolName(v.Entry.Orig.Proto), "flow"), v.Entry.Key(), v.Why)
		if v.Risk != "" {
			fmt.Fprintf(w, "; warning: %s", v.Risk)
		}
		fmt.Fprintln(w)
	}
}
