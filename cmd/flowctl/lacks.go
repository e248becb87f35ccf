package main

import (
	"context"
	"fmt"
	"io"

	"github.com/go-fastpath/fastpath/conntrack"
)

// noteLacks says which settings hide something of what flows prints, and how to change them. It changes none: connections that are there already
// would not show it anyway.
func noteLacks(ctx context.Context, to io.Writer, watcher *conntrack.Watcher, netns string, watch, asJSON bool) error {
	settings, err := watcher.Settings(ctx)
	if err != nil {
		return err
	}
	if netns != "" {
		netns = " --netns " + netns
	}
	shown := map[string]bool{
		"net.netfilter.nf_conntrack_acct":      true,
		"net.netfilter.nf_conntrack_events":    watch,
		"net.netfilter.nf_conntrack_timestamp": asJSON,
	}
	for _, l := range settings.Lacks() {
		if shown[l.Key] && l.Value == "unknown" {
			fmt.Fprintf(to, "note: %s: %s\n", l.Key, l.Why)
		} else if shown[l.Key] {
			fmt.Fprintf(to, "note: %s is %s: %s; for those that begin later: flowctl set%s %s=%s\n", l.Key, l.Value, l.Why, netns, l.Key, l.Want)
		}
	}
	return nil
}
