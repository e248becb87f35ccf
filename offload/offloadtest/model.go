package offloadtest

import (
	"fmt"

	"github.com/go-fastpath/fastpath/flowtable"
)

// A model is one of the five kernels that are imitated, in the order of their age. A release between them answers as the
// older neighbour.
type model int

const (
	linux61 model = iota
	linux612
	linux618 // since 6.16, when hooks by name and prefixes came
	linux72
	linux73
)

// Linux61 is a Target with the manners of Linux 6.1 and devices of these names.
func Linux61(devices ...string) *flowtable.Target { return targetOf("6.1.0", devices) }

// Linux612 is a Target with the manners of Linux 6.12 and devices of these names.
func Linux612(devices ...string) *flowtable.Target { return targetOf("6.12.0", devices) }

// Linux618 is a Target with the manners of Linux 6.18 and devices of these names.
func Linux618(devices ...string) *flowtable.Target { return targetOf("6.18.0", devices) }

// Linux72 is a Target with the manners of Linux 7.2 and devices of these names.
func Linux72(devices ...string) *flowtable.Target { return targetOf("7.2.0", devices) }

// Linux73 is a Target with the manners of Linux 7.3 and devices of these names.
func Linux73(devices ...string) *flowtable.Target { return targetOf("7.3.0", devices) }

func targetOf(release string, devices []string) *flowtable.Target {
	t := &flowtable.Target{Kernel: flowtable.KernelOf(release)}
	for i, name := range devices {
		t.Links = append(t.Links, flowtable.Link{Index: i + 1, Name: name, Up: true})
	}
	return t
}

// modelOf picks the model of a Target's kernel. How it treats names counts more than a release, which may be unknown.
func modelOf(k flowtable.Kernel) model {
	major, minor, known := versionOf(k.Release)
	before := func(otherMajor, otherMinor int) bool {
		return major < otherMajor || major == otherMajor && minor < otherMinor
	}
	switch {
	case k.ByName && known && before(7, 2):
		return linux618
	case k.ByName && (!known || before(7, 3)):
		return linux72
	case k.ByName:
		return linux73
	case before(6, 4): // when validation became a matter of each table
		return linux61
	}
	return linux612
}

// versionOf reads "6.12" out of "6.12.117-amd64"; known is false, with zeros, if it is none.
func versionOf(release string) (major, minor int, known bool) {
	n, _ := fmt.Sscanf(release, "%d.%d", &major, &minor)
	if n != 2 {
		return 0, 0, false
	}
	return major, minor, true
}
