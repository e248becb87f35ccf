package main

import (
	"cmp"
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

// ownerSynopsis is how a command that is about one owner is told which.
const ownerSynopsis = "[--netns NS] [--owner NAME | SPEC]"

// A subject is the owner in a namespace that a command is about.
type subject struct {
	manager *offload.Manager
	netns   string
	owner   string
	named   bool // by --owner or SPEC
}

// subjectOf reads the flags of a command and opens the namespace that they name. The owner is that of --owner, or of a SPEC,
// or the one of SPECs that name none. The caller closes the Manager.
func subjectOf(ctx context.Context, std *streams, flags arguments, args []string) (*subject, error) {
	netns, owner := flags.netns(), flags.owner()
	spec, err := flags.parseOne(std, args)
	if err != nil {
		return nil, err
	}
	name, err := ownerFrom(std, *owner, spec)
	if err != nil {
		return nil, err
	}
	manager, err := offload.Open(ctx, &offload.Config{NetNS: *netns})
	if err != nil {
		return nil, err
	}
	return &subject{manager, *netns, name, *owner != "" || spec != ""}, nil
}

// ownerFrom is the owner that --owner names, or the SPEC; "" is neither.
func ownerFrom(std *streams, flag, spec string) (string, error) {
	switch {
	case spec == "":
		return cmp.Or(flag, ruleset.DefaultOwner), nil
	case flag != "":
		return "", usageError{errors.New("choose one of --owner and SPEC")}
	}
	read, err := readSpec(std, spec)
	if err != nil {
		return "", err
	}
	return cmp.Or(read.Owner, ruleset.DefaultOwner), nil
}

// here are all owners of the namespace, and the subject among them: nil is not there.
func (s *subject) here(ctx context.Context) (all []offload.Owner, it *offload.Owner, err error) {
	all, err = s.manager.Owners(ctx)
	if i := slices.IndexFunc(all, func(o offload.Owner) bool { return o.Name == s.owner }); i >= 0 {
		it = &all[i]
	}
	return all, it, err
}

// maxListed bounds how many owners, or things of one, a line lists: anyone may make many.
const maxListed = 10

// absent says that an owner has nothing of what a command is about, and who is there.
func absent(owner, what string, all []offload.Owner) error {
	if len(all) == 0 {
		return fmt.Errorf("nothing was done: no owner has anything in this network namespace; look at --netns")
	}
	var names []string
	for n, o := range all {
		if n == maxListed {
			names = append(names, fmt.Sprintf("and %d more, which flowctl owners lists", len(all)-n))
			break
		}
		names = append(names, summaryOf(o))
	}
	return fmt.Errorf("nothing was done: the owner %q has %s in this network namespace; say by --owner or SPEC who is meant; there are: %s",
		owner, what, strings.Join(names, "; "))
}

// spelled is how a command about an owner is spelled in a shell.
func spelled(verb, netns, owner string) string {
	text := "flowctl " + verb
	if netns != "" {
		text += " --netns " + shellWord(netns)
	}
	if owner != ruleset.DefaultOwner {
		text += " --owner " + shellWord(owner)
	}
	return text
}

// shellWord is a word that a shell takes as it is.
func shellWord(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:@%+,=", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// owners lists who has something in a namespace.
func owners(ctx context.Context, std *streams, args []string) error {
	flags := newArguments("owners", "[--netns NS] [--json]")
	netns := flags.netns()
	asJSON := flags.Bool("json", false, "print one JSON object a line")
	if _, err := flags.parse(std, args, 0); err != nil {
		return err
	}
	all, err := ownersIn(ctx, *netns)
	if err != nil {
		return err
	}
	if *asJSON {
		return printOwners(std.out, all)
	}
	for _, o := range all {
		fmt.Fprintln(std.out, summaryOf(o))
	}
	if len(all) == 0 {
		fmt.Fprintln(std.out, "no owner has anything here")
	}
	return nil
}

// printOwners prints an object for each.
func printOwners(w io.Writer, all []offload.Owner) error {
	encoder := newEncoder(w)
	for _, o := range all {
		if err := encoder.Encode(o); err != nil {
			return err
		}
	}
	return nil
}

// ownersIn are the owners in a namespace.
func ownersIn(ctx context.Context, netns string) ([]offload.Owner, error) {
	manager, err := offload.Open(ctx, &offload.Config{NetNS: netns})
	if err != nil {
		return nil, err
	}
	defer manager.Close()
	return manager.Owners(ctx)
}

// summaryOf is one line about what an owner has.
func summaryOf(o offload.Owner) string {
	var parts []string
	for _, t := range o.Tables {
		parts = append(parts, fmt.Sprintf("table %s %s", t.Family, flowtable.Spelled(t.Name)))
	}
	for _, f := range o.Flowtables {
		parts = append(parts, fmt.Sprintf("flowtable %s (%s)", flowtable.Spelled(f.Name), count(len(f.Devices), "device")))
	}
	if len(parts) > maxListed {
		parts = append(parts[:maxListed], fmt.Sprintf("and %d more", len(parts)-maxListed))
	}
	return fmt.Sprintf("%s: %s", nameOf(o), strings.Join(append(parts, marksOf(o)...), ", "))
}

// nameOf is an owner's name between quotes.
func nameOf(o offload.Owner) string {
	if o.Name == "" {
		return "an owner whose name is too long to be told"
	}
	return fmt.Sprintf("%q", o.Name)
}

// marksOf is what an owner has beside tables, each in some words.
func marksOf(o offload.Owner) []string {
	var parts []string
	if o.Off.Since != "" {
		parts = append(parts, "off since "+o.Off.Since)
	}
	if o.Unconfirmed.Until != "" {
		parts = append(parts, "unconfirmed until "+o.Unconfirmed.Until)
	}
	for _, s := range o.Settings {
		parts = append(parts, fmt.Sprintf("setting %s=%s, before %s", s.Key, s.Value, s.Before))
	}
	if o.Run.Table != "" {
		parts = append(parts, "looked after by "+holderOf(o.Run))
	}
	return parts
}

// holderOf is a run by what its lock says of it.
func holderOf(lock offload.RunLock) string {
	text := "a run"
	if lock.Process != 0 {
		text += fmt.Sprintf(", process %d", lock.Process)
	}
	if lock.Since != "" {
		text += " since " + lock.Since
	}
	return text
}

// printHeld prints what there is in the kernel, owner by owner.
func printHeld(w io.Writer, all []offload.Owner) {
	for _, o := range all {
		fmt.Fprintf(w, "owner %s\n", nameOf(o))
		for _, t := range o.Tables {
			fmt.Fprintf(w, "  table %s %s, handle %d\n", t.Family, flowtable.Spelled(t.Name), t.Handle)
		}
		for _, f := range o.Flowtables {
			fmt.Fprintf(w, "  flowtable %s %s %s, handle %d, %s%s\n", f.Family, flowtable.Spelled(f.Table), flowtable.Spelled(f.Name), f.Handle, devicesOf(f), flagsOf(f))
		}
		for _, m := range marksOf(o) {
			fmt.Fprintf(w, "  %s\n", m)
		}
	}
	if len(all) == 0 {
		fmt.Fprintln(w, "no owner has anything here")
	}
}

// devicesOf lists the devices of a flowtable.
func devicesOf(f ruleset.LoadedFlowtable) string {
	if len(f.Devices) == 0 {
		return "no devices"
	}
	var names []string
	for _, d := range f.Devices {
		names = append(names, flowtable.Spelled(d.String()))
	}
	return "devices " + strings.Join(names, " ")
}

func flagsOf(f ruleset.LoadedFlowtable) string {
	text := ""
	if f.Hardware() {
		text += ", for hardware"
	}
	if f.Counter() {
		text += ", counter"
	}
	return text
}
