package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/go-fastpath/fastpath/ruleset"
	"github.com/go-fastpath/fastpath/ruleset/replay"
)

// check verifies an image whole, its checksum and every message, and prints what it will do.
func check(std *streams, args []string) error {
	flags := flag.NewFlagSet("check", flag.ContinueOnError)
	messages := flags.Bool("messages", false, "print every message with its attributes")
	name, err := parse(std, flags, args)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	image, err := replay.Read(data)
	if err != nil {
		return usageError{fmt.Errorf("%s: %w", name, err)}
	}
	base, err := ruleset.ParseBatch(image.Order, image.Base)
	if err != nil {
		return usageError{fmt.Errorf("%s: base: %w", name, err)}
	}
	out := bufio.NewWriter(std.out)
	fmt.Fprintf(out, "%s: %d bytes for machines that are %v, checksum right\n", name, len(data), image.Order)
	fmt.Fprintf(out, "one transaction of %d messages, %d bytes, in place of what an earlier one made:\n", base.Messages(), len(image.Base))
	printBatch(out, base, *messages)
	if len(image.Devices) > 0 {
		fmt.Fprintf(out, "then %d of one device each; what the kernel refuses is left out:\n", len(image.Devices))
	}
	for _, d := range image.Devices {
		fmt.Fprintf(out, "  add flowtable %s %s %s { devices = { %q } }\n", d.Family, d.Table, d.Flowtable, d.Name)
		if err := printDevice(out, image, d, *messages); err != nil {
			return usageError{fmt.Errorf("%s: %v: %w", name, d, err)}
		}
	}
	return out.Flush()
}

func printDevice(w io.Writer, image *replay.Image, d replay.Device, messages bool) error {
	b, err := ruleset.ParseBatch(image.Order, d.Batch)
	if err == nil && messages {
		err = b.WriteText(w)
	}
	return err
}

// printBatch prints a batch's operations, equal ones that follow each other once, or its messages.
func printBatch(w io.Writer, b *ruleset.Batch, messages bool) {
	if messages {
		_ = b.WriteText(w) // w keeps the error until it is flushed
		return
	}
	last, times := "", 0
	flush := func() {
		switch {
		case times > 1:
			fmt.Fprintf(w, "  %s (%d times)\n", last, times)
		case times == 1:
			fmt.Fprintf(w, "  %s\n", last)
		}
	}
	for i := range b.Messages() {
		op, ok := b.Operation(i)
		if !ok {
			continue
		}
		if text := op.String(); text != last {
			flush()
			last, times = text, 0
		}
		times++
	}
	flush()
}
