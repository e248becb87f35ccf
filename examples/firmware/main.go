// Command firmware builds what an appliance loads at boot, on a machine without the appliance's devices, without root and
// without nft, and checks it there.
//
//	firmware build [flags] SPEC   write SPEC as a static nft file, and as an image for the loader beside this program
//	firmware check IMAGE          verify an image and print what it will do
//
// SPEC is a file in the JSON form of ruleset.Spec, or - for standard input. The exit status is 0 when done, 1 when it failed, 2
// for wrong usage, an invalid SPEC or a damaged image. See docs/firmware.md.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// The exit statuses.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// streams are the standard streams of one run.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// A usageError is a mistake of the caller: wrong arguments, an invalid SPEC, a damaged image. It leads to exit status 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

const usage = `usage: firmware build [flags] SPEC   (flags: firmware build -h)
       firmware check [-messages] IMAGE
`

// run is firmware without the process around it. It returns the exit status.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	std := &streams{stdin, stdout, stderr}
	var err error
	switch {
	case len(args) > 0 && args[0] == "build":
		err = build(std, args[1:])
	case len(args) > 0 && args[0] == "check":
		err = check(std, args[1:])
	default:
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return exitDone
	}
	fmt.Fprintf(stderr, "firmware: %v\n", err)
	if wrong := (usageError{}); errors.As(err, &wrong) {
		return exitUsage
	}
	return exitFailed
}

// parse reads flags and the one argument behind them.
func parse(std *streams, flags *flag.FlagSet, args []string) (string, error) {
	flags.SetOutput(std.err)
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return "", err
	} else if err != nil {
		return "", usageError{err}
	}
	if flags.NArg() != 1 {
		return "", usageError{fmt.Errorf("%s wants one file behind its flags, got %d", flags.Name(), flags.NArg())}
	}
	return flags.Arg(0), nil
}
