package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
)

// topology draws the devices of a namespace, and what stands on what.
func topology(ctx context.Context, std *streams, args []string) error {
	flags := newArguments("topology", "[--dot|--json] [--netns NS | --target FILE]")
	netns := flags.netns()
	from := flags.String("target", "", "draw the machine that this `file` describes, as flowctl topology --json writes it")
	dot := flags.Bool("dot", false, "draw it for graphviz instead of Mermaid")
	asJSON := flags.Bool("json", false, "print it as flowctl render --target reads it")
	if _, err := flags.parse(std, args, 0); err != nil {
		return err
	}
	if *dot && *asJSON {
		return usageError{errors.New("choose one of --dot and --json")}
	}
	if *netns != "" && *from != "" {
		return usageError{errors.New("choose one of --netns and --target")}
	}
	target, err := targetFrom(ctx, *from, *netns)
	if err != nil {
		return err
	}
	switch {
	case *asJSON:
		return printTarget(std, target)
	case *dot:
		_, err = fmt.Fprint(std.out, target.DOT())
	default:
		_, err = fmt.Fprint(std.out, target.Mermaid())
	}
	return err
}

// targetFrom reads a machine from its file, or a namespace of this one.
func targetFrom(ctx context.Context, file, netns string) (*flowtable.Target, error) {
	if file != "" {
		return readTarget(file)
	}
	manager, err := offload.Open(ctx, &offload.Config{NetNS: netns})
	if err != nil {
		return nil, err
	}
	defer manager.Close()
	return manager.Target(ctx)
}

func printTarget(std *streams, target *flowtable.Target) error {
	encoder := newEncoder(std.out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(target)
}
