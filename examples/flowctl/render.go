package main

import (
	"bytes"
	"context"
)

// render prints the nft file that a SPEC declares. It needs neither privilege nor kernel: what the machine is like comes
// from --target, or is left open.
func render(_ context.Context, std *streams, args []string) error {
	flags := newArguments("render", "[--target FILE] SPEC")
	targetName := flags.String("target", "", "JSON `file` with the machine's kernel and links, as flowctl probe --json prints it")
	names, err := flags.parse(std, args, 1)
	if err != nil {
		return err
	}
	spec, err := readSpec(std, names[0])
	if err != nil {
		return err
	}
	target, err := readTarget(*targetName)
	if err != nil {
		return err
	}
	resolved, err := spec.Resolve(target)
	if err != nil {
		return usageError{err}
	}
	var text bytes.Buffer // all or nothing on standard output
	if err := resolved.WriteNFT(&text); err != nil {
		return err
	}
	_, err = std.out.Write(text.Bytes())
	return err
}
