package main

import (
	"context"
	"fmt"

	"github.com/go-fastpath/fastpath/offload"
)

// uninstall removes every table of an owner and puts the settings back that its rules, or flowctl set for it, had changed.
func uninstall(ctx context.Context, std *streams, args []string) error {
	s, err := subjectOf(ctx, std, newArguments("uninstall", ownerSynopsis), args)
	if err != nil {
		return err
	}
	defer s.manager.Close()
	all, it, err := s.here(ctx)
	switch {
	case err != nil:
		return err
	case it == nil:
		return absent(s.owner, "nothing", all)
	case it.Run.Table != "":
		return besideRun(s.owner, it.Run, "end it first")
	}
	done, err := s.manager.Uninstall(ctx, s.owner)
	if done == nil {
		return err
	}
	for _, operation := range done.Plan.Operations() {
		fmt.Fprintln(std.out, operation)
	}
	for _, setting := range done.Restored {
		fmt.Fprintf(std.out, "put back: %s to %s\n", setting.Key, setting.Value)
	}
	for _, left := range done.Left {
		fmt.Fprintf(std.out, "warning: %s stays %s: %s\n", left.Key, left.Value, left.Why)
	}
	noteSettings(std, all, s)
	fmt.Fprintf(std.out, "uninstalled, generation %d\n", done.Generation)
	return err
}

// besideRun refuses what a run of the owner would undo at once.
func besideRun(owner string, lock offload.RunLock, next string) error {
	return fmt.Errorf("nothing was done: the owner %q is looked after by %s, which would undo it: %s", owner, holderOf(lock), next)
}

// noteSettings says which settings stay because they were changed for others.
func noteSettings(std *streams, all []offload.Owner, s *subject) {
	for _, o := range all {
		if o.Name == s.owner {
			continue
		}
		for _, setting := range o.Settings {
			fmt.Fprintf(std.out, "note: %s was set to %s for the owner %q; what puts it back is %s\n",
				setting.Key, setting.Value, o.Name, spelled("uninstall", s.netns, o.Name))
		}
	}
}
