package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// What all namespaces of the machine share: how many connections there may be, and in how many buckets of one table they lie.
const (
	maxPath     = "/proc/sys/net/netfilter/nf_conntrack_max"
	bucketsPath = "/sys/module/nf_conntrack/parameters/hashsize"
)

// raiseLimits makes room for so many connections in one namespace, and returns what puts things back. It only ever raises.
func raiseLimits(flows int) (restore func() error, err error) {
	putMax, err := raise(maxPath, 2*flows)
	if err != nil {
		return nil, err
	}
	putBuckets, err := raise(bucketsPath, flows)
	if err != nil {
		return nil, errors.Join(err, putMax())
	}
	return func() error { return errors.Join(putMax(), putBuckets()) }, nil
}

// raise writes a number where the present one is smaller.
func raise(path string, want int) (restore func() error, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: load module nf_conntrack", err)
	}
	have, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if have >= want {
		return func() error { return nil }, nil
	}
	if err := writeSetting(path, want); err != nil {
		return nil, fmt.Errorf("%w: it is a setting of the whole machine; run outside of containers", err)
	}
	return func() error { return writeSetting(path, have) }, nil
}

// writeSetting writes to what is no real file: no O_CREATE, no O_TRUNC.
func writeSetting(path string, value int) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strconv.Itoa(value))
	return errors.Join(err, f.Close())
}
