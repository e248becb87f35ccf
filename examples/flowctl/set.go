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
	flags := newArguments("set", "[--netns NS] [--owner NAME] KEY=VALUE...")
	netns, owner := flags.netns(), flags.owner()
	words, err := flags.parseAny(std, args)
	if err != nil {
		return err
	}
	if len(words) == 0 {
		flags.printUsage(std.err)
		return usageError{errors.New("want a setting such as net.ipv4.ip_forward=1; flowctl probe lists those that matter")}
	}
	var settings []offload.Setting
	for _, word := range words {
		key, value, ok := strings.Cut(word, "=")
		if !ok {
			return usageError{fmt.Errorf("%q is no setting; write KEY=VALUE", word)}
		}
		settings = append(settings, offload.Setting{Key: key, Value: value})
	}
	manager, err := offload.Open(ctx, &offload.Config{NetNS: *netns})
	if err != nil {
		return err
	}
	defer manager.Close()
	changed, err := manager.SetSettings(ctx, *owner, settings...)
	for _, s := range changed {
		fmt.Fprintf(std.out, "set: %s to %s; flowctl uninstall puts it back\n", s.Key, s.Value)
	}
	return err
}
