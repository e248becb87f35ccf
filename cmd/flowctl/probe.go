package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
)

const forceWarning = "ask drivers even where hw-tc-offload is missing or off: after a refusal Linux 6.1 to 7.2 may crash when the next driver registers"

// probe says what this kernel and namespace can do, or, of devices, whether their drivers take a flowtable: each answer with its
// evidence. It leaves no trace.
func probe(ctx context.Context, std *streams, args []string) error {
	flags := newArguments("probe", "[--netns NS] [--json] [--force] [DEVICE...]")
	netns := flags.netns()
	asJSON := flags.Bool("json", false, "print the kernel and the links as flowctl render --target reads them; of devices, one answer a line")
	force := flags.Bool("force", false, forceWarning)
	devices, err := flags.parseAny(std, args)
	if err != nil {
		return err
	}
	if *force && len(devices) == 0 {
		return usageError{errors.New("--force wants the devices whose drivers are to be asked")}
	}
	manager, err := offload.Open(ctx, &offload.Config{NetNS: *netns})
	if err != nil {
		return err
	}
	defer manager.Close()
	switch {
	case len(devices) > 0:
		return probeDevices(ctx, std, manager, devices, *force, *asJSON)
	case *asJSON:
		target, err := manager.Target(ctx)
		if err != nil {
			return err
		}
		return printTarget(std, target)
	}
	return probeKernel(ctx, std, manager)
}

// probeKernel prints the facts and the quirks of this kernel.
func probeKernel(ctx context.Context, std *streams, manager *offload.Manager) error {
	facts, err := manager.Facts(ctx)
	if err != nil {
		return err
	}
	for _, fact := range facts {
		fmt.Fprintf(std.out, "%-16s %-10s %s\n", fact.Name, fact.Answer, fact.Evidence)
	}
	target, err := manager.Target(ctx)
	if err != nil {
		return err
	}
	printQuirks(std.out, target.Kernel)
	if hazard := target.Hazard(); hazard != "" {
		fmt.Fprintf(std.out, "warning: %s\n", hazard)
	}
	return nil
}

// printQuirks prints what is special about a kernel.
func printQuirks(out io.Writer, kernel flowtable.Kernel) {
	for _, quirk := range kernel.Quirks() {
		fmt.Fprintf(out, "quirk %v\n", quirk)
	}
}

// probeDevices asks the drivers of devices.
func probeDevices(ctx context.Context, std *streams, manager *offload.Manager, devices []string, force, asJSON bool) error {
	answers, err := manager.Probe(ctx, force, devices...)
	if err != nil {
		return err
	}
	encoder := newEncoder(std.out)
	for _, a := range answers {
		if asJSON {
			err = errors.Join(err, encoder.Encode(a))
			continue
		}
		fmt.Fprintf(std.out, "%-16s %-18s %s\n", flowtable.Spelled(a.Device), a.Result, a.Evidence)
	}
	return err
}
