package main

import (
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/go-fastpath/fastpath/offload"
)

// streams are the standard streams of one run.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// output remembers the first write that failed, so that a command need not look at each: a full disk is no success.
type output struct {
	to     io.Writer
	failed error
}

func (o *output) Write(b []byte) (int, error) {
	n, err := o.to.Write(b)
	if err != nil && o.failed == nil {
		o.failed = fmt.Errorf("the output is incomplete: %w", err)
	}
	return n, err
}

// arguments are the flags of one command and its synopsis.
type arguments struct {
	*flag.FlagSet
	synopsis string
}

// newArguments begins the arguments of one command; synopsis is what follows its name.
func newArguments(command, synopsis string) arguments {
	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	flags.SetOutput(io.Discard) // parse prints what is to be said
	flags.Usage = func() {}
	return arguments{flags, synopsis}
}

// netns adds --netns.
func (a arguments) netns() *string {
	return a.String("netns", "", "network `namespace`: a name under /run/netns or a path; empty is the caller's own")
}

// owner adds --owner.
func (a arguments) owner() *string {
	return a.String("owner", "", "`name` in the mark of the tables; empty is that of a SPEC which names none")
}

// adopt adds --adopt.
func (a arguments) adopt() *bool {
	return a.Bool("adopt", false, "take over tables of a declared name that are not ours: each is replaced as a whole")
}

// conflicts adds --conflicts.
func (a arguments) conflicts() *string {
	return a.String("conflicts", "warn", "what becomes of conflicts with others' flowtables and chains: `warn`, refuse or ignore")
}

// conflictMode is the value of --conflicts as the library has it.
func conflictMode(text string) (offload.ConflictMode, error) {
	switch text {
	case "warn":
		return offload.ConflictsWarn, nil
	case "refuse":
		return offload.ConflictsRefuse, nil
	case "ignore":
		return offload.ConflictsIgnore, nil
	}
	return "", usageError{fmt.Errorf("--conflicts: %q is neither warn nor refuse nor ignore", text)}
}

// parse reads flags and exactly the wanted number of other arguments, which may stand before or behind the flags.
func (a arguments) parse(std *streams, args []string, want int) ([]string, error) {
	got, err := a.parseAny(std, args)
	if err == nil && len(got) != want {
		a.printUsage(std.err)
		return nil, usageError{fmt.Errorf("want %s, got %d", count(want, "argument"), len(got))}
	}
	return got, err
}

// parseOne reads flags and at most one other argument; "" is none.
func (a arguments) parseOne(std *streams, args []string) (string, error) {
	got, err := a.parseAny(std, args)
	switch {
	case err != nil || len(got) == 0:
		return "", err
	case len(got) > 1:
		a.printUsage(std.err)
		return "", usageError{fmt.Errorf("want 1 argument at most, got %d", len(got))}
	}
	return got[0], nil
}

// parseAny reads flags and any number of other arguments.
func (a arguments) parseAny(std *streams, args []string) (got []string, err error) {
	for {
		if err := a.Parse(args); errors.Is(err, flag.ErrHelp) {
			a.printUsage(std.out)
			return nil, err
		} else if err != nil {
			a.printUsage(std.err)
			return nil, usageError{err}
		}
		if a.NArg() == 0 {
			return got, nil
		}
		got = append(got, a.Arg(0))
		args = a.Args()[1:]
	}
}

func (a arguments) printUsage(w io.Writer) {
	fmt.Fprintf(w, "usage: flowctl %s %s\n", a.Name(), a.synopsis)
	a.SetOutput(w)
	a.PrintDefaults()
}

// count is like "1 chain" and "2 chains".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
