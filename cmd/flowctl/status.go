package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// status says how what a SPEC declares and what the kernel holds stand to each other, once or whenever that changes; without a SPEC, what
// the kernel holds, owner by owner. It changes nothing, and looks at the kernel itself: it needs no flowctl run, and does not disturb one.
func status(ctx context.Context, std *streams, args []string) error {
	flags := newArguments("status", "[--watch] [--json] [--exit-code] [--netns NS] [--adopt] [SPEC]")
	netns, adopt := flags.netns(), flags.adopt()
	watch := flags.Bool("watch", false, "print it again whenever it changes")
	asJSON := flags.Bool("json", false, "print one JSON object a line")
	exitCode := flags.Bool("exit-code", false, "exit with status 3 unless the kernel holds what is declared")
	name, err := flags.parseOne(std, args)
	switch {
	case err != nil:
		return err
	case name == "" && (*watch || *exitCode || *adopt):
		return usageError{errors.New("--watch, --exit-code and --adopt mean nothing without a SPEC")}
	case name == "":
		return printStatusOfAll(ctx, std, *netns, *asJSON)
	}
	if *watch && *exitCode {
		return usageError{errors.New("--exit-code means nothing with --watch")}
	}
	spec, err := readSpec(std, name)
	if err != nil {
		return err
	}
	manager, err := offload.Open(ctx, &offload.Config{NetNS: *netns, Adopt: *adopt, Run: offload.RunConfig{Observe: true},
		Conflicts: offload.ConflictsIgnore}) // they are listed apart
	if err != nil {
		return err
	}
	defer manager.Close()
	o := observer{std: std, manager: manager, json: *asJSON, watch: *watch}
	last, err := o.observe(ctx, spec)
	if err == nil && *exitCode && !asDeclared(last) {
		err = errPending
	}
	return err
}

// printStatusOfAll prints what the kernel holds of all owners.
func printStatusOfAll(ctx context.Context, std *streams, netns string, asJSON bool) error {
	all, err := ownersIn(ctx, netns)
	if err != nil {
		return err
	}
	if asJSON {
		return printOwners(std.out, all)
	}
	printHeld(std.out, all)
	return nil
}

// An observer is one flowctl status.
type observer struct {
	std         *streams
	manager     *offload.Manager
	json, watch bool
}

// A seen is a status as it is printed.
type seen struct {
	*offload.Status
	Conflicts []ruleset.Finding `json:"conflicts,omitempty"`
}

// observe prints what is seen, and returns what was printed last.
func (o observer) observe(ctx context.Context, spec *ruleset.Spec) (*offload.Status, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		ended <- o.manager.Run(ctx, spec)
		stop()
	}()
	var last seen
	for s := range o.manager.Statuses(ctx) {
		if s.Phase == offload.PhaseStarting {
			continue
		}
		conflicts, err := o.manager.Conflicts(ctx, spec)
		now := seen{s, conflicts}
		if err == nil {
			now.Status, err = o.manager.WithHooks(ctx, s)
		}
		if err == nil && !(sameNews(last.Status, now.Status) && reflect.DeepEqual(last.Conflicts, conflicts)) {
			err = o.print(now)
		}
		if err != nil {
			stop()
			return s, errors.Join(withoutCancel(err), withoutCancel(<-ended))
		}
		if last = now; !o.watch {
			break
		}
	}
	stop()
	return last.Status, withoutCancel(<-ended)
}

func (o observer) print(now seen) error {
	if o.json {
		return newEncoder(o.std.out).Encode(now)
	}
	_, err := fmt.Fprint(o.std.out, now.Status)
	printConflicts(o.std.out, now.Conflicts)
	return err
}

// asDeclared reports whether the kernel holds what is declared, with every device in its flowtable, and calls it there as far as it
// tells.
func asDeclared(s *offload.Status) bool {
	if s == nil || s.Err != "" || len(s.Pending)+len(s.Drift) > 0 || s.Phase == offload.PhaseOff {
		return false
	}
	for _, d := range s.Devices {
		if !d.State.Listed() || d.Hook == offload.HookMissing {
			return false
		}
	}
	for _, f := range s.Flowtables {
		if f.Failed != "" {
			return false
		}
	}
	return true
}
