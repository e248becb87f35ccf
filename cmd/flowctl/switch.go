package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-fastpath/fastpath/offload"
)

// off takes an owner's connections back to the classic path and keeps them there, whoever applies what. The rest of its ruleset stays.
func off(ctx context.Context, std *streams, args []string) error {
	flags := newArguments("off", "[--netns NS] [--dry-run] [--owner NAME | --all-owners | SPEC]")
	dry := flags.Bool("dry-run", false, "print what would be done, one nft command a line, and do nothing")
	everybody := flags.Bool("all-owners", false, "all owners who have tables, or a run, in the namespace")
	s, err := subjectOf(ctx, std, flags, args)
	if err != nil {
		return err
	}
	defer s.manager.Close()
	if *everybody && s.named {
		return usageError{errors.New("choose one of --all-owners, --owner and SPEC")}
	}
	return s.switchOff(ctx, std, *everybody, *dry)
}

// switchOff takes one owner off, or everybody, or says what that would do. The kill switch of one works also where it cannot be told who is there.
func (s *subject) switchOff(ctx context.Context, std *streams, everybody, dry bool) error {
	all, it, unread := s.here(ctx)
	names := []string{s.owner}
	switch {
	case everybody && unread != nil:
		return unread
	case everybody:
		names = switchable(all)
	case unread == nil && (it == nil || !isSwitchable(*it)):
		return absent(s.owner, "neither tables nor a run", all)
	}
	if len(names) == 0 {
		return errors.New("nothing was done: no owner has tables or a run in this network namespace; look at --netns")
	}
	var errs []error
	for _, name := range names {
		one := subject{s.manager, s.netns, name, true}
		if dry {
			errs = append(errs, one.tellOff(ctx, std))
		} else {
			errs = append(errs, one.off(ctx, std))
		}
	}
	noteOthers(std, all, names)
	return errors.Join(errs...)
}

// isSwitchable reports whether an owner has what can be in the fast path, or is off already.
func isSwitchable(o offload.Owner) bool {
	return o.Name != "" && (len(o.Tables) > 0 || o.Run.Table != "" || o.Off.Since != "")
}

func switchable(all []offload.Owner) []string {
	var names []string
	for _, o := range all {
		if isSwitchable(o) {
			names = append(names, o.Name)
		}
	}
	return names
}

// noteOthers says whose flowtables go on.
func noteOthers(std *streams, all []offload.Owner, off []string) {
	for _, o := range all {
		if !slices.Contains(off, o.Name) && len(o.Flowtables) > 0 {
			fmt.Fprintf(std.out, "note: %s goes on: %s\n", count(len(o.Flowtables), "flowtable"), summaryOf(o))
		}
	}
}

// tellOff prints what off would do.
func (s *subject) tellOff(ctx context.Context, std *streams) error {
	planned, err := s.manager.PlanOff(ctx, s.owner)
	if err != nil {
		return err
	}
	if planned.Empty() {
		fmt.Fprintf(std.out, "# nothing to do: %q is off\n", s.owner)
		return nil
	}
	fmt.Fprintf(std.out, "# owner %q\n", s.owner)
	printPlan(std.out, planned)
	return nil
}

func (s *subject) off(ctx context.Context, std *streams) error {
	if err := s.manager.Off(ctx, s.owner); err != nil {
		return err
	}
	mark, is, err := s.manager.IsOff(ctx, s.owner)
	if err != nil {
		return err
	}
	if !is {
		fmt.Fprintf(std.out, "%q is off: no flowtable of it is left, but someone switched it on again meanwhile\n", s.owner)
		return nil
	}
	fmt.Fprintf(std.out, "%q is off since %s: no flowtable of it is left, and none comes back until %s\n",
		s.owner, mark.Since, spelled("on", s.netns, s.owner))
	if mark.Restored {
		fmt.Fprintln(std.out, "note:", mark)
	}
	return nil
}

// on lets flowtables come back: a flowctl run that is under way brings them at once.
func on(ctx context.Context, std *streams, args []string) error {
	s, err := subjectOf(ctx, std, newArguments("on", ownerSynopsis), args)
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
	}
	if err := s.manager.On(ctx, s.owner); err != nil {
		return err
	}
	mark := it.Off
	switch {
	case mark.Since == "":
		fmt.Fprintf(std.out, "%q is on: it was not off\n", s.owner)
		for _, o := range all {
			if o.Off.Since != "" {
				fmt.Fprintf(std.out, "note: off is %s\n", summaryOf(o))
			}
		}
		return nil
	case mark.Restored:
		fmt.Fprintf(std.out, "%q is on: it was off since %s, by a mark that came back with a saved ruleset\n", s.owner, mark.Since)
	default:
		fmt.Fprintf(std.out, "%q is on: it was off since %s\n", s.owner, mark.Since)
	}
	if it.Run.Table != "" {
		fmt.Fprintf(std.out, "on: %s brings the flowtables back by itself\n", holderOf(it.Run))
	} else {
		fmt.Fprintln(std.out, "on: flowctl apply brings the flowtables back; a flowctl run would by itself")
	}
	return nil
}
