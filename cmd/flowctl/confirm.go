package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
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
		fmt.Fprintf(std.out, "taken back at %s unless you confirm: %s\n", mark.Until, spelled("confirm", netns, mark.Owner))
	}
	return pending.Generation(), nil
}

// confirm keeps a change that waits for it.
func confirm(ctx context.Context, std *streams, args []string) error {
	s, err := subjectOf(ctx, std, newArguments("confirm", ownerSynopsis), args)
	if err != nil {
		return err
	}
	defer s.manager.Close()
	err = s.manager.Confirm(ctx, s.owner)
	if errors.Is(err, offload.ErrNotUnconfirmed) {
		return s.nothingWaits(ctx, err)
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(std.out, "confirmed")
	return nil
}

// nothingWaits says whose changes wait to be confirmed, when it is not the subject's.
func (s *subject) nothingWaits(ctx context.Context, none error) error {
	all, it, err := s.here(ctx)
	if err != nil {
		return errors.Join(none, err)
	}
	var commands []string
	for _, o := range all {
		if o.Unconfirmed.Until != "" {
			commands = append(commands, spelled("confirm", s.netns, o.Name))
		}
	}
	switch {
	case len(commands) > 0:
		return fmt.Errorf("%w; what waits is confirmed by: %s", none, strings.Join(commands, "; "))
	case it == nil:
		return fmt.Errorf("%w; %w", offload.ErrNotUnconfirmed, absent(s.owner, "nothing", all))
	}
	return none
}
