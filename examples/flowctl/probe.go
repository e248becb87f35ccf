package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/go-fastpath/fastpath/offload"
)

// probe says what this kernel and namespace can do, each answer with its evidence. It leaves no trace.
func probe(ctx context.Context, std *streams, args []string) error {
	flags := newArguments("probe", "[--netns NS] [--json]")
	netns := flags.netns()
	asJSON := flags.Bool("json", false, "print the kernel and the links as flowctl render --target reads them")
	if _, err := flags.parse(std, args, 0); err != nil {
		return err
	}
	manager, err := offload.Open(ctx, &offload.Config{NetNS: *netns})
	if err != nil {
		return err
	}
	defer manager.Close()
	if *asJSON {
		return printTarget(ctx, std, manager)
	}
	facts, err := manager.Facts(ctx)
	if err != nil {
		return err
	}
	for _, fact := range facts {
		fmt.Fprintf(std.out, "%-16s %-10s %s\n", fact.Name, fact.Answer, fact.Evidence)
	}
	return nil
}

func printTarget(ctx context.Context, std *streams, manager *offload.Manager) error {
	target, err := manager.Target(ctx)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(std.out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(target)
}
