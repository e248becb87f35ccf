// Command loader replays an image that firmware build has made, at boot.
//
//	loader IMAGE              load the ruleset, in place of one that was loaded before
//	loader IMAGE DEVICE ...   add devices that have appeared since, for a hotplug script
//
// A device that is missing, or that refuses hardware offload, is left out and named on standard error; the exit status is 0 all
// the same. It is 1 if the ruleset could not be loaded, and then nothing has changed, 2 for wrong usage.
//
// Build it static and small: CGO_ENABLED=0 go build -trimpath -ldflags "-s -w".
package main

import (
	"io"
	"os"

	"github.com/go-fastpath/fastpath/ruleset/replay"
)

// The exit statuses.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() { os.Exit(run(os.Args[1:], os.Stderr)) }

// run is loader without the process around it. It acts in the network namespace of the calling thread.
func run(args []string, out io.Writer) int {
	if len(args) == 0 || args[0] == "" || args[0][0] == '-' {
		say(out, "usage: loader IMAGE [DEVICE ...]")
		return exitUsage
	}
	image, err := os.ReadFile(args[0])
	if err != nil {
		say(out, err.Error())
		return exitFailed
	}
	if len(args) == 1 {
		skipped, err := replay.Load(image)
		return report(out, skipped, err)
	}
	status := exitDone
	for _, device := range args[1:] {
		skipped, err := replay.LoadDevice(image, device)
		status = max(status, report(out, skipped, err))
	}
	return status
}

// report says what went wrong and chooses the exit status.
func report(out io.Writer, skipped []replay.Skipped, err error) int {
	if err != nil {
		say(out, "nothing was loaded: "+err.Error())
		return exitFailed
	}
	for _, s := range skipped {
		say(out, "left out "+s.Device.String()+": "+s.Err.Error())
	}
	return exitDone
}

// say writes one line.
func say(out io.Writer, text string) { _, _ = io.WriteString(out, "loader: "+text+"\n") }
