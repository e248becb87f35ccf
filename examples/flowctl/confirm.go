package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// watchdogCommand makes flowctl the process that takes an unconfirmed change back. It is no command for people.
const watchdogCommand = "watchdog"

// selfAsWatchdog starts this program again, whatever becomes of its file.
func selfAsWatchdog() []string { return []string{"/proc/self/exe", watchdogCommand} }

// watchdog takes a change back unless it is confirmed. It tells the system's log.
func watchdog(ctx context.Context, std *streams, args []string) error {
	if _, err := newArguments(watchdogCommand, "").parse(std, args, 0); err != nil {
		return err
	}
	var log *slog.Logger
	if to, err := systemLog(); err == nil {
		defer to.Close()
		log = slog.New(slog.NewTextHandler(to, nil))
	}
	return offload.Watchdog(ctx, log)
}

// applyConfirm applies a plan that is taken back unless it is confirmed in time. It does not wait for that: the watchdog does.
func applyConfirm(ctx context.Context, std *streams, manager *offload.Manager, planned *ruleset.Plan, window time.Duration, netns string) (uint32, error) {
	pending, err := manager.ApplyConfirm(ctx, planned, window)
	if err != nil {
		return 0, err
	}
	if mark := pending.Mark(); mark.Until != "" {
		again := "flowctl confirm"
		if netns != "" {
			again += " --netns " + netns
		}
		if mark.Owner != ruleset.DefaultOwner {
			again += fmt.Sprintf(" --owner %q", mark.Owner)
		}
		fmt.Fprintf(std.out, "taken back at %s unless you confirm: %s\n", mark.Until, again)
	}
	return pending.Generation(), nil
}

// confirm keeps a change that waits for it.
func confirm(ctx context.Context, std *streams, args []string) error {
	manager, owner, err := managerFor(ctx, std, "confirm", args)
	if err != nil {
		return err
	}
	defer manager.Close()
	if err := manager.Confirm(ctx, owner); err != nil {
		return err
	}
	fmt.Fprintln(std.out, "confirmed")
	return nil
}

// managerFor reads the flags of a command about an owner's tables, and opens the namespace that they name. The caller closes it.
func managerFor(ctx context.Context, std *streams, command string, args []string) (manager *offload.Manager, owner string, err error) {
	flags := newArguments(command, "[--netns NS] [--owner NAME]")
	netns, name := flags.netns(), flags.owner()
	if _, err := flags.parse(std, args, 0); err != nil {
		return nil, "", err
	}
	manager, err = offload.Open(ctx, &offload.Config{NetNS: *netns})
	return manager, *name, err
}
