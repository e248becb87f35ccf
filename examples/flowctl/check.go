package main

import (
	"context"
	"fmt"

	"github.com/go-fastpath/fastpath/ruleset"
)

// check validates a SPEC without a kernel. All mistakes are reported at once, each with its path.
func check(_ context.Context, std *streams, args []string) error {
	names, err := newArguments("check", "SPEC").parse(std, args, 1)
	if err != nil {
		return err
	}
	spec, err := readSpec(std, names[0])
	if err != nil {
		return err
	}
	fmt.Fprintf(std.out, "valid: %s\n", summary(spec))
	return nil
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
