package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// check validates a SPEC without a kernel: all mistakes are reported at once, each with its path. With --kernel the kernel is
// asked too, in a dry run that changes nothing.
func check(ctx context.Context, std *streams, args []string) error {
	flags := newArguments("check", "[--kernel [--netns NS]] SPEC")
	netns := flags.netns()
	kernel := flags.Bool("kernel", false, "have the kernel validate the plan, too, and take it back")
	names, err := flags.parse(std, args, 1)
	if err != nil {
		return err
	}
	if *netns != "" && !*kernel {
		return usageError{errors.New("--netns means nothing without --kernel")}
	}
	spec, err := readSpec(std, names[0])
	if err != nil {
		return err
	}
	if *kernel {
		if err := dryRun(ctx, std, spec, *netns); err != nil {
			return err
		}
	}
	fmt.Fprintf(std.out, "valid: %s\n", summary(spec))
	return nil
}

// dryRun asks the kernel, and prints what it was not asked.
func dryRun(ctx context.Context, std *streams, spec *ruleset.Spec, netns string) error {
	manager, err := offload.Open(ctx, &offload.Config{NetNS: netns})
	if err != nil {
		return err
	}
	defer manager.Close()
	planned, err := manager.Plan(ctx, spec)
	if err != nil {
		return err
	}
	checked, err := manager.DryRun(ctx, planned)
	if err != nil {
		return err
	}
	if err := printSurroundings(ctx, std.out, manager, spec); err != nil {
		return err
	}
	printLeftOut(std.out, "warning: ", planned)
	for _, open := range checked.Unchecked {
		fmt.Fprintf(std.out, "not checked: %s: %s\n", open.Operation, open.Why)
	}
	for _, setting := range checked.Restored {
		fmt.Fprintf(std.out, "put back: %s to %s\n", setting.Key, setting.Value)
	}
	fmt.Fprintf(std.out, "the kernel takes it: %s at generation %d\n", count(len(planned.Operations()), "operation"), checked.Generation)
	return nil
}

// printSurroundings prints what is special about the kernel, and what others have in it that gets in the way.
func printSurroundings(ctx context.Context, out io.Writer, manager *offload.Manager, spec *ruleset.Spec) error {
	target, err := manager.Target(ctx)
	if err != nil {
		return err
	}
	conflicts, err := manager.Conflicts(ctx, spec)
	if err != nil {
		return err
	}
	printConflicts(out, conflicts)
	if slices.ContainsFunc(spec.Tables, func(t ruleset.Table) bool { return len(t.Flowtables) > 0 }) {
		printQuirks(out, target.Kernel)
	}
	return nil
}

// printLeftOut prints which devices kernels cannot be given, one reason of a flowtable a line.
func printLeftOut(out io.Writer, before string, planned *ruleset.Plan) {
	type reason struct{ flowtable, why string }
	var reasons []reason
	devices := map[reason][]string{}
	for _, b := range planned.Bindings() {
		if b.State != flowtable.Unsupported {
			continue
		}
		r := reason{b.Flowtable, b.Why}
		if devices[r] == nil {
			reasons = append(reasons, r)
		}
		devices[r] = append(devices[r], flowtable.Spelled(b.Device))
	}
	for _, r := range reasons {
		fmt.Fprintf(out, "%sflowtable %q goes without %s: %s\n", before, r.flowtable, strings.Join(devices[r], ", "), r.why)
	}
}

// printConflicts prints what gets in the way, and what is only to know of, one finding a line.
func printConflicts(out io.Writer, conflicts []ruleset.Finding) {
	for _, c := range conflicts {
		what := "conflict"
		if c.Information {
			what = "information"
		}
		fmt.Fprintf(out, "%s %s: %v\n", what, c.Code, c)
	}
}

func summary(spec *ruleset.Spec) string {
	var flowtables, sets, chains, rules int
	for _, table := range spec.Tables {
		flowtables += len(table.Flowtables)
		sets += len(table.Sets)
		chains += len(table.Chains)
		for _, chain := range table.Chains {
			rules += len(chain.Rules)
		}
	}
	return fmt.Sprintf("%s, %s, %s, %s, %s", count(len(spec.Tables), "table"), count(flowtables, "flowtable"),
		count(sets, "set"), count(chains, "chain"), count(rules, "rule"))
}
