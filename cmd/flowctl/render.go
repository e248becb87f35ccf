package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/go-fastpath/fastpath/ruleset"
)

// render prints what a SPEC declares, as an nft file or in another form. It needs neither privilege nor kernel: what the
// machine is like comes from --target, or is left open.
func render(_ context.Context, std *streams, args []string) error {
	flags := newArguments("render", "[--format FORM] [--target FILE] SPEC")
	var form renderForm
	targetName := flags.String("target", "", "JSON `file` with the machine's kernel and links, as flowctl probe --json prints it")
	flags.StringVar(&form.name, "format", "nft", formHelp())
	flags.StringVar(&form.order, "byte-order", "", "`order` of the machine that dump and batch are for: little, big; empty is this machine's")
	flags.BoolVar(&form.json.DropFlowtableFlags, "drop-flowtable-flags", false,
		"let json leave out what it has no words for, counter and flags offload of flowtables; an error otherwise")
	names, err := flags.parse(std, args, 1)
	if err != nil {
		return err
	}
	if err := form.check(); err != nil {
		return usageError{err}
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
	if err := form.write(&text, resolved); err != nil {
		return err
	}
	_, err = std.out.Write(text.Bytes())
	return err
}

// A renderForm is a form to render in, with its options.
type renderForm struct {
	name, order string
	json        ruleset.JSONConfig
}

// forms are the values of --format.
func forms() [][2]string {
	return [][2]string{
		{"nft", "an nft file, for nft -f"},
		{"commands", "the same as nft commands, one a line"},
		{"json", "nft's JSON, for nft -j -f"},
		{"dump", "the netlink messages as text"},
		{"batch", "the netlink messages as bytes"},
	}
}

func formHelp() string {
	text := "`form` of the output:"
	for _, f := range forms() {
		text += fmt.Sprintf("\n%-8s  %s", f[0], f[1])
	}
	return text + "\n"
}

// check refuses options that no form has.
func (f *renderForm) check() error {
	known := false
	for _, form := range forms() {
		known = known || form[0] == f.name
	}
	encoded := f.name == "dump" || f.name == "batch"
	switch {
	case !known:
		return fmt.Errorf("--format: there is no form %q; write nft, commands, json, dump or batch", f.name)
	case f.order != "" && f.order != "little" && f.order != "big":
		return fmt.Errorf("--byte-order: %q is neither little nor big", f.order)
	case f.order != "" && !encoded:
		return fmt.Errorf("--byte-order is for --format dump and batch, not %s", f.name)
	case f.json.DropFlowtableFlags && f.name != "json":
		return fmt.Errorf("--drop-flowtable-flags is for --format json, not %s", f.name)
	}
	return nil
}

// write renders for a kernel that holds none of the tables.
func (f *renderForm) write(w io.Writer, r *ruleset.Resolved) error {
	switch f.name {
	case "nft":
		return r.WriteNFT(w)
	case "json":
		return r.WriteNFTJSON(w, &f.json)
	}
	plan, err := ruleset.Diff(nil, r)
	if err != nil {
		return err
	}
	if f.name == "commands" {
		_, err = io.WriteString(w, plan.String())
		return err
	}
	batch, err := plan.Batch(byteOrder(f.order))
	if err != nil {
		return err
	}
	if f.name == "dump" {
		return batch.WriteText(w)
	}
	data, err := batch.MarshalBinary()
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}

// byteOrder is the order by its name; nil is this machine's.
func byteOrder(name string) binary.ByteOrder {
	switch name {
	case "little":
		return binary.LittleEndian
	case "big":
		return binary.BigEndian
	}
	return nil
}
