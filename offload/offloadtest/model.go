package offloadtest

import (
	"strconv"
	"strings"

	"github.com/go-fastpath/fastpath/flowtable"
)

// A model is one of the three kernels that are imitated, in the order of their age. A release between them answers as the
// older neighbour, and from 6.16 on as 7.2: hooks by name came with 6.16.
type model int

const (
	linux61 model = iota
	linux612
	linux72
)

// Linux61 is a Target with the manners of Linux 6.1 and devices of these names.
func Linux61(devices ...string) *flowtable.Target { return targetOf("6.1.0", devices) }

// Linux612 is a Target with the manners of Linux 6.12 and devices of these names.
func Linux612(devices ...string) *flowtable.Target { return targetOf("6.12.0", devices) }

// Linux72 is a Target with the manners of Linux 7.2 and devices of these names.
func Linux72(devices ...string) *flowtable.Target { return targetOf("7.2.0", devices) }

func targetOf(release string, devices []string) *flowtable.Target {
	t := &flowtable.Target{Kernel: flowtable.KernelOf(release)}
	for i, name := range devices {
		t.Links = append(t.Links, flowtable.Link{Index: i + 1, Name: name, Up: true})
	}
	return t
}

// modelOf picks the model of a Target's kernel.
func modelOf(k flowtable.Kernel) model {
	switch {
	case k.ByName:
		return linux72
	case isBefore64(k.Release):
		return linux61
	}
	return linux612
}

// isBefore64 reports whether a release is older than 6.4, when validation became a matter of each table.
func isBefore64(release string) bool {
	parts := strings.SplitN(release, ".", 3)
	if len(parts) < 2 {
		return true
	}
	major, err := strconv.Atoi(parts[0])
	if err != nil {
		return true
	}
	minor, err := strconv.Atoi(parts[1])
	return err != nil || major < 6 || major == 6 && minor < 4
}
