package conntrack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Settings reads /proc/sys/net/netfilter as a thread inside the namespace sees it.
func (k *kernel) Settings(ctx context.Context) (s Settings, err error) {
	if err := ctx.Err(); err != nil {
		return s, err
	}
	err = k.ns.Do(func() error {
		acct, aerr := sysctl("nf_conntrack_acct")
		events, eerr := sysctl("nf_conntrack_events")
		stamps, serr := sysctl("nf_conntrack_timestamp")
		loose, lerr := sysctl("nf_conntrack_tcp_loose")
		count, cerr := sysctl("nf_conntrack_count")
		s = Settings{Accounting: acct != 0, Events: events, Timestamps: stamps != 0, TCPLoose: loose != 0, Count: count}
		return errors.Join(aerr, eerr, serr, lerr, cerr)
	})
	if err != nil {
		return Settings{}, fmt.Errorf("conntrack: settings of %s: %w", k.ns.Label(), err)
	}
	return s, nil
}

// sysctl reads a number; one that the kernel was built without is 0.
func sysctl(name string) (int, error) {
	b, err := os.ReadFile("/proc/sys/net/netfilter/" + name)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}
