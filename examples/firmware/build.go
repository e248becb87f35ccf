package main

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/ruleset"
	"github.com/go-fastpath/fastpath/ruleset/replay"
)

// build writes the nft file and the image that a SPEC and a list of devices give. Equal input gives equal files.
func build(std *streams, args []string) error {
	flags := flag.NewFlagSet("build", flag.ContinueOnError)
	devices := flags.String("devices", "", "the appliance's network `devices`, separated by commas or space, or @FILE with such a list; those that SPEC names if not given")
	kernel := flags.String("kernel", unknownKernel, "the appliance's kernel `release`, such as 6.12; for an unknown one no prefix is written, and no device that is not listed")
	order := flags.String("order", "little", "byte `order` of the appliance: little or big")
	nft := flags.String("nft", "", "write the nft `file`")
	image := flags.String("image", "", "write the image `file`")
	name, err := parse(std, flags, args)
	if err != nil {
		return err
	}
	if *nft == "" && *image == "" {
		return usageError{errors.New("say what to write: -nft FILE, -image FILE or both")}
	}
	byteOrder, err := orderOf(*order)
	if err != nil {
		return usageError{err}
	}
	resolved, err := resolve(std, name, *devices, *kernel)
	if err != nil {
		return err
	}
	warn(std, resolved)
	return write(std, resolved, *nft, *image, byteOrder)
}

// write makes both files, of which "" is not wanted, before it writes the first. The image is one that a loader takes.
func write(std *streams, r *ruleset.Resolved, nft, image string, order binary.ByteOrder) error {
	static, err := staticFile(r)
	if err != nil && nft != "" {
		return usageError{err}
	}
	img, err := r.Image(order)
	if err == nil {
		_, err = replay.Read(img)
	}
	if err != nil && image != "" {
		return usageError{err}
	}
	for _, f := range []struct {
		name string
		data []byte
	}{{nft, static}, {image, img}} {
		if f.name == "" {
			continue
		}
		if err := os.WriteFile(f.name, f.data, 0o644); err != nil {
			return err
		}
		fmt.Fprintf(std.out, "wrote %s, %d bytes\n", f.name, len(f.data))
	}
	return nil
}

// resolve reads a SPEC and binds it to the appliance.
func resolve(std *streams, name, devices, kernel string) (*ruleset.Resolved, error) {
	spec, err := readSpec(std, name)
	if err != nil {
		return nil, err
	}
	links, err := deviceList(devices, spec)
	if err != nil {
		return nil, err
	}
	if kernel != unknownKernel && !readable(kernel) {
		return nil, usageError{fmt.Errorf("-kernel %q is no release such as 6.12", kernel)}
	}
	target := &flowtable.Target{Kernel: flowtable.KernelOf(kernel), Links: links}
	resolved, err := spec.Resolve(target)
	if err != nil {
		return nil, usageError{fmt.Errorf("%s: %w", name, err)}
	}
	return resolved, nil
}

// unknownKernel is a release of which nothing is known: it gets what every kernel takes.
const unknownKernel = "unknown"

// readable reports whether a kernel's release begins with two numbers.
func readable(release string) bool {
	var major, minor int
	n, _ := fmt.Sscanf(release, "%d.%d", &major, &minor)
	return n == 2
}

// readSpec reads a SPEC from a file, or from standard input when it is called "-".
func readSpec(std *streams, name string) (*ruleset.Spec, error) {
	in := std.in
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		in = file
	}
	spec, err := ruleset.Parse(in)
	if err != nil {
		return nil, usageError{fmt.Errorf("%s: %w", name, err)}
	}
	if err := spec.Validate(); err != nil {
		return nil, usageError{fmt.Errorf("%s: %w", name, err)}
	}
	return spec, nil
}

// warn says which devices are left out, and what trying hardware offload can cost.
func warn(std *streams, r *ruleset.Resolved) {
	for _, b := range r.Bindings() {
		if !b.State.Listed() {
			fmt.Fprintf(std.err, "firmware: warning: flowtable %s, device %s is left out: %s\n", b.Flowtable, flowtable.Spelled(b.Device), b.Why)
		}
	}
	for _, t := range r.Spec().Tables {
		for _, f := range t.Flowtables {
			if f.Hardware == flowtable.HardwareOn {
				fmt.Fprintf(std.err, "firmware: warning: flowtable %s asks drivers for hardware offload: list only devices whose driver "+
					"has it; on Linux 6.1 to 7.2 a driver that loads after a refusal can crash the machine\n", f.Name)
			}
		}
	}
}

func orderOf(name string) (binary.ByteOrder, error) {
	switch name {
	case "little":
		return binary.LittleEndian, nil
	case "big":
		return binary.BigEndian, nil
	}
	return nil, fmt.Errorf("-order %q: want little or big", name)
}
