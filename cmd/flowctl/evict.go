package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"

	"github.com/go-fastpath/fastpath/offload"
)

// evict removes connections from conntrack, so that their next packets take the classic path and begin new ones. It tells which, and
// which of them may break.
func evict(ctx context.Context, std *streams, args []string) error {
	flags := newArguments("evict", "[--netns NS] [--dry-run] [--json] (--all | "+filterSynopsis+")")
	netns := flags.netns()
	dry := flags.Bool("dry-run", false, "tell whom it would evict, and evict nobody")
	asJSON := flags.Bool("json", false, "print one JSON object a line, one for each connection")
	all := flags.Bool("all", false, "every connection of the namespace")
	which := flags.filters()
	if _, err := flags.parse(std, args, 0); err != nil {
		return err
	}
	switch err, given := which.check(), which.given(flags); {
	case err != nil:
		return err
	case given && *all:
		return usageError{errors.New("choose one of --all and filters")}
	case !given && !*all:
		return usageError{errors.New("say which connections, by filters such as --path software or --address 192.0.2.0/24, or --all of them")}
	}
	manager, err := offload.Open(ctx, &offload.Config{NetNS: *netns})
	if err != nil {
		return err
	}
	defer manager.Close()
	done, err := manager.Evict(ctx, offload.Eviction{Match: which.Match, Device: which.device, DryRun: *dry})
	if done == nil || err != nil && len(done.Victims) == 0 {
		return err
	}
	if *asJSON {
		return errors.Join(err, printEvictedJSON(std, done, which.device))
	}
	return errors.Join(err, printEvicted(std, done, which.device, *dry))
}

// printEvictedJSON prints an object for each connection. What nothing is known of is a note on standard error, as of flows.
func printEvictedJSON(std *streams, done *offload.Evicted, device string) error {
	out := bufio.NewWriter(std.out)
	encoder := newEncoder(out)
	for _, v := range done.Victims {
		if err := encoder.Encode(v); err != nil {
			return err
		}
	}
	if done.Untold > 0 {
		fmt.Fprintf(std.err, "note: %s\n", untold(done.Untold, device, "stay"))
	}
	return out.Flush()
}

// printEvicted prints a line for each connection, and the sums.
func printEvicted(std *streams, done *offload.Evicted, device string, dry bool) error {
	out := bufio.NewWriter(std.out)
	risky := 0
	for _, v := range done.Victims {
		fmt.Fprintf(out, "%-6s %-49s %-8s", protocol(v.Entry), arrow(v.Entry.Orig.Src, v.Entry.Orig.Dst), v.Entry.Path())
		if v.Risk != "" {
			risky++
			fmt.Fprintf(out, " may break: %s", v.Risk)
		}
		fmt.Fprintln(out)
	}
	verb := "evicted"
	if dry {
		verb = "would evict"
	}
	fmt.Fprintf(out, "%s %s", verb, count(len(done.Victims), "connection"))
	if risky > 0 {
		fmt.Fprintf(out, ", %d of which may break", risky)
	}
	fmt.Fprintln(out)
	if done.Untold > 0 {
		fmt.Fprintln(out, untold(done.Untold, device, "stay"))
	}
	return out.Flush()
}
