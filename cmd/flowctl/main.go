// Command flowctl drives the fastpath library from a shell: it renders, checks, plans and applies a declared ruleset, and
// lists, watches and evicts the connections with the path that carries them.
//
//	flowctl render [--format FORM] [--target FILE] SPEC
//	                                         print what SPEC declares as an nft file, or as commands, json, dump, batch;
//	                                         no kernel, no privilege
//	flowctl check SPEC                       report every mistake in SPEC
//	flowctl check --kernel [--netns NS] SPEC and have the kernel validate it in a dry run
//	flowctl plan [--netns NS] [--exit-code] SPEC
//	                                         print what apply would do, one nft command a line, and whom it evicts
//	flowctl apply [--netns NS] SPEC          do it, as one transaction
//	flowctl apply --confirm 30s [--netns NS] SPEC
//	                                         and take it back after that time, unless:
//	flowctl confirm [--netns NS] [--owner NAME | SPEC]
//	flowctl uninstall [--netns NS] [--owner NAME | SPEC]
//	                                         remove our tables, and put back the settings that were changed
//	flowctl run [--observe] [--report-only] [--takeover] [--netns NS] SPEC
//	                                         keep it attached as devices come and go and others write, and tell what changes
//	flowctl status [--watch] [--json] [--exit-code] [--netns NS] SPEC
//	                                         say of each device whether it is bound, and why not; what differs, and who is in the way
//	flowctl status [--json] [--netns NS]     say what the kernel holds, owner by owner
//	flowctl owners [--json] [--netns NS]     the same, one owner a line
//	flowctl off [--dry-run] [--netns NS] [--owner NAME | --all-owners | SPEC]
//	                                         the kill switch: an owner's connections back to the classic path, the other rules stay
//	flowctl on [--netns NS] [--owner NAME | SPEC]
//	flowctl set [--netns NS] [--owner NAME | SPEC] KEY=VALUE...
//	                                         change settings that matter to flowtables, until uninstall
//	flowctl flows [--netns NS] [--json] [FILTERS]
//	                                         list the connections, their path and their flowtable where it is announced
//	flowctl flows --watch [--poll TIME] [--netns NS] [--json] [FILTERS]
//	                                         and go on with what happens to them: new, path changed, counted, destroyed
//	flowctl evict [--dry-run] [--json] [--netns NS] FILTERS
//	flowctl evict [--dry-run] [--json] [--netns NS] --all
//	                                         remove connections, so that their next packets take the classic path; tells what may break
//	flowctl probe [--netns NS] [--json]      say what this kernel and namespace can do, with evidence
//	flowctl probe [--netns NS] [--json] [--force] DEVICE...
//	                                         say whether the drivers of devices take a flowtable, with evidence
//	flowctl topology [--dot|--json] [--netns NS]
//	                                         draw the devices and what stands on what, for Mermaid or graphviz
//
// SPEC is a file in the JSON form of ruleset.Spec, or - for standard input. The examples beside this file are SPECs. NS is
// a name under /run/netns or a path. The exit status is 0 when done, 1 when it failed, 2 for wrong usage or an invalid SPEC, and
// 3 from plan --exit-code and status --exit-code when there is something to do.
//
// off, on, confirm, uninstall and set are about one owner: the one that --owner names, or SPEC, or "fastpath", whose SPECs name none. Of an owner who
// has nothing there they fail, and say who is there; only set begins with anybody. apply and uninstall refuse to work beside a run of the same owner,
// which would undo what they do.
//
// FILTERS must all hold: --path slow|software|hardware, --proto tcp, --address 192.0.2.0/24, --src and --dst 192.0.2.1:80, --mark 0x10/0xff, --zone 7,
// --status assured, --family ipv4, --device eth0. Lists stand between commas or in several flags. flows says on standard error which settings hide
// something from it, and how to change them; it changes none. flows --watch ends at SIGINT and SIGTERM, with status 0.
//
// A run ends at SIGINT and SIGTERM, with status 0, and leaves the ruleset in force: the kernel needs nobody for what is bound. At
// SIGHUP it reads SPEC again. It tells every plan that it applies on standard error, or to the system's log.
//
// With --adopt, plan and apply take over tables of a declared name that are not ours. apply --confirm does not wait: a process in the
// background takes the change back, also when the terminal is gone, and tells the system's log. So there is nothing that an interrupt
// could stop; the way to keep the change is to confirm it, and the way back is to let the time pass.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// The exit statuses.
const (
	exitDone    = 0
	exitFailed  = 1
	exitUsage   = 2
	exitPending = 3
)

// errPending says that there is something to do; it is an answer, and no failure.
var errPending = errors.New("there is something to do")

// A command is one verb of flowctl.
type command struct {
	name, short string
	run         func(ctx context.Context, std *streams, args []string) error
}

// commands in the order of the usage text.
func commands() []command {
	return []command{
		{"render", "print what SPEC declares as an nft file or in other forms", render},
		{"check", "report every mistake in SPEC", check},
		{"plan", "print what apply would do, one nft command a line", plan},
		{"apply", "apply SPEC as one transaction", apply},
		{"confirm", "keep what apply --confirm would take back", confirm},
		{"uninstall", "remove our tables", uninstall},
		{"run", "keep SPEC attached, until it is told to end", keep},
		{"status", "say what is bound, missing, refused and pending, and why", status},
		{"owners", "say who has what in the kernel", owners},
		{"off", "the kill switch: no flowtables until flowctl on", off},
		{"on", "let flowtables come back", on},
		{"set", "change a setting of the namespace until uninstall", set},
		{"flows", "list or watch the connections and the path that carries them", flows},
		{"evict", "remove connections: their next packets take the classic path", evict},
		{"probe", "say what this kernel, namespace or device can do", probe},
		{"topology", "draw the devices and what stands on what", topology},
	}
}

// run is flowctl without the process around it. It returns the exit status. An interrupt ends the process as the system does
// it, also while it waits for input: a transaction is all or nothing, and what it opened ends with it. Only keep takes signals
// into its own hands, once it has read its SPEC, and follow, which ends well by them.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx := context.Background()
	if len(args) == 0 {
		printUsage(stderr)
		return exitUsage
	}
	for _, c := range append(commands(), command{name: watchdogCommand, run: watchdog}) {
		if c.name == args[0] {
			out := &output{to: stdout}
			err := c.run(ctx, &streams{in: stdin, out: out, err: stderr}, args[1:])
			if out.failed != nil && (err == nil || errors.Is(err, errPending)) {
				err = out.failed
			}
			return finish(c, err, stderr)
		}
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		printUsage(stdout)
		return exitDone
	}
	fmt.Fprintf(stderr, "flowctl: there is no command %q\n", args[0])
	printUsage(stderr)
	return exitUsage
}

// finish prints what went wrong, one mistake a line, and chooses the exit status.
func finish(c command, err error, stderr io.Writer) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return exitDone
	}
	if errors.Is(err, errPending) {
		return exitPending
	}
	for _, line := range mistakes(err) {
		fmt.Fprintf(stderr, "flowctl: %s: %s\n", c.name, line)
	}
	if isUsage(err) {
		return exitUsage
	}
	return exitFailed
}

func printUsage(w io.Writer) {
	fmt.Fprint(w, "usage: flowctl COMMAND [flags] [SPEC]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-9s %s\n", c.name, c.short)
	}
	fmt.Fprint(w, "\nSPEC is a JSON file, or - for standard input. See flowctl COMMAND -h for the flags.\n")
}
