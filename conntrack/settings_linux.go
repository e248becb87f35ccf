package conntrack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Settings reads /proc/sys/net/netfilter as a thread inside the namespace sees it. What cannot be read is Unknown.
func (k *kernel) Settings(ctx context.Context) (s Settings, err error) {
	if err := ctx.Err(); err != nil {
		return s, err
	}
	err = k.ns.Do(func() error {
		s = readSettings("/proc/sys/")
		return nil
	})
	if err != nil {
		return Settings{}, fmt.Errorf("conntrack: settings of %s: %w", k.ns.Label(), err)
	}
	return s, nil
}

// readSettings reads the settings below a folder. The number of connections is there wherever the others are: where it can be read, one that does
// not exist is of a kernel that was built without, and is 0.
func readSettings(below string) (s Settings) {
	count, counted := readNumber(below + path(countKey))
	number := func(key string) int {
		n, err := readNumber(below + path(key))
		if err != nil && (counted != nil || !errors.Is(err, os.ErrNotExist)) {
			s.Unknown = append(s.Unknown, key)
		}
		return n
	}
	s.Count = count
	s.Accounting = number(accountingKey) != 0
	s.Events = number(eventsKey)
	s.Timestamps = number(timestampsKey) != 0
	s.TCPLoose = number(tcpLooseKey) != 0
	if counted != nil {
		s.Unknown = append(s.Unknown, countKey)
	}
	return s
}

// path is where a sysctl stands below /proc/sys.
func path(key string) string { return strings.ReplaceAll(key, ".", "/") }

func readNumber(file string) (int, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}
