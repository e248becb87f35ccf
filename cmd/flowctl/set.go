package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-fastpath/fastpath/offload"
)

// set changes settings of the namespace that matter to flowtables, and has them put back by uninstall.
func set(ctx context.Context, std *streams, args []string) error {
	flags := newArguments("set", "[--netns NS] [--owner NAME | SPEC] KEY=VALUE...")
	netns, owner := flags.netns(), flags.owner()
	words, err := flags.parseAny(std, args)
	if err != nil {
		return err
	}
	if len(words) == 0 {
		flags.printUsage(std.err)
		return usageError{errors.New("want a setting such as net.ipv4.ip_forward=1; flowctl probe lists those that matter")}
	}
	settings, spec := settingsFrom(words)
	if len(settings) == 0 || len(settings)+1 < len(words) {
		flags.printUsage(std.err)
		return usageError{fmt.Errorf("%q is no setting; write KEY=VALUE", spec)}
	}
	name, err := ownerFrom(std, *owner, spec)
	if err != nil {
		return err
	}
	manager, err := offload.Open(ctx, &offload.Config{NetNS: *netns})
	if err != nil {
		return err
	}
	defer manager.Close()
	changed, err := manager.SetSettings(ctx, name, settings...)
	for _, s := range changed {
		fmt.Fprintf(std.out, "set: %s to %s; what puts it back is %s\n", s.Key, s.Value, spelled("uninstall", *netns, name))
	}
	if len(changed) > 0 {
		return errors.Join(err, noteWhose(ctx, std, manager, name))
	}
	return err
}

// noteWhose says of whom the settings are not, where their owner is not the one who has tables.
func noteWhose(ctx context.Context, std *streams, manager *offload.Manager, name string) error {
	all, err := manager.Owners(ctx)
	if err != nil {
		return err
	}
	var others []string
	for _, o := range all {
		if len(o.Tables) > 0 && o.Name == name {
			return nil
		}
		if len(o.Tables) > 0 {
			others = append(others, nameOf(o))
		}
	}
	if len(others) > 0 {
		fmt.Fprintf(std.out, "note: the owner %q has no tables here; to have it put back with those of %s, say so by --owner or SPEC\n",
			name, strings.Join(others, " or "))
	}
	return nil
}

// settingsFrom are the settings among words, and the last that is none: a SPEC, if it is the only one.
func settingsFrom(words []string) (settings []offload.Setting, spec string) {
	for _, word := range words {
		if key, value, ok := strings.Cut(word, "="); ok {
			settings = append(settings, offload.Setting{Key: key, Value: value})
		} else {
			spec = word
		}
	}
	return settings, spec
}
