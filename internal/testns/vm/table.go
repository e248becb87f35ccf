package vm

import (
	"fmt"
	"slices"
	"strings"
)

// An archive is a set of Debian suites that are read together, as one apt.
type archive struct {
	name     string     // of its folder in the cache, and in messages
	main     []string   // suites of Debian's archive
	security []string   // suites of Debian's security archive
	of       *processor // whose packages it has; nil is this host's
	compiler string     // the archive whose compiler builds modules for its kernels; "" is this host's
}

func bookworm() archive {
	return archive{name: "bookworm", main: []string{"bookworm", "bookworm-updates"}, security: []string{"bookworm-security"}}
}

// bookwormOf are bookworm's packages for another processor.
func bookwormOf(p *processor) archive {
	return archive{name: "bookworm-" + p.debian, main: []string{"bookworm"}, of: p}
}

func bookwormBackports() archive {
	return archive{name: "bookworm-backports", main: []string{"bookworm-backports"}}
}

func trixie() archive {
	return archive{name: "trixie", main: []string{"trixie"}, security: []string{"trixie-security"}, compiler: "trixie"}
}

func trixieBackports() archive {
	return archive{name: "trixie-backports", main: []string{"trixie-backports"}, compiler: "trixie"}
}

func sid() archive { return archive{name: "sid", main: []string{"sid"}, compiler: "sid"} }

// processor is the one that its packages are for.
func (a archive) processor() *processor {
	if a.of == nil {
		return amd64()
	}
	return a.of
}

// suites are all of them, for messages.
func (a archive) suites() string { return strings.Join(slices.Concat(a.main, a.security), ", ") }

// sources are what apt reads.
func (a archive) sources(m mirrors) []aptSource {
	s := []aptSource{{m.main, a.main}}
	if len(a.security) > 0 {
		s = append(s, aptSource{m.security, a.security})
	}
	return s
}

// A choice is a kernel that a user can name, and where it comes from.
type choice struct {
	selector string
	series   string    // major.minor: the newest image of that series; "" is what linux-image-amd64, or its like, stands for
	archives []archive // the first that has it is taken
	// headers says that Debian has them: without, there is no simulator of hardware.
	headers bool
	// newTools has the guest use sid's nft, conntrack and ip: only they list what these kernels hold (prefixes came with 6.16, and nft
	// older than 1.1.6 leaves them out). Others use this host's.
	newTools bool
	// panics says that the kernel does not survive some topologies (flowtable's quirk panics-below-pppoe-qinq): a survey runs no package
	// that builds them.
	panics bool
	// stays says that Debian keeps it while the release is supported. What does not stay may be missing one day, and fails no run.
	stays bool
}

// choices are all kernels, oldest first. This is the only list of them.
func choices() []choice {
	return []choice{
		{selector: "6.1", archives: []archive{bookworm()}, headers: true, stays: true},
		{selector: "6.12", archives: []archive{bookwormBackports()}, headers: true, stays: true},
		{selector: "6.12-trixie", archives: []archive{trixie()}, headers: true, stays: true},
		{selector: "6.16", series: "6.16", archives: []archive{trixieBackports()}, newTools: true},
		{selector: "6.17", series: "6.17", archives: []archive{trixieBackports()}, newTools: true},
		{selector: "6.18", series: "6.18", archives: []archive{trixieBackports()}, newTools: true},
		{selector: "6.19", series: "6.19", archives: []archive{trixieBackports()}, newTools: true, panics: true},
		{selector: "7.0", series: "7.0", archives: []archive{trixieBackports()}, newTools: true, panics: true},
		{selector: "7.1", series: "7.1", archives: []archive{trixieBackports()}, newTools: true},
		{selector: "7.2", series: "7.2", archives: []archive{sid(), trixieBackports()}, headers: true, newTools: true},
		{selector: "7.3", series: "7.3", archives: []archive{trixieBackports()}, headers: true, newTools: true},
		{selector: "sid", archives: []archive{sid()}, headers: true, newTools: true},
		{selector: "6.1-s390x", archives: []archive{bookwormOf(s390x())}},
		{selector: "6.1-mipsel", archives: []archive{bookwormOf(mipsel())}},
	}
}

// processor is the one that its programs are for.
func (c choice) processor() *processor { return c.archives[0].processor() }

// holds says what a choice is, for messages.
func (c choice) holds() string {
	what := "its " + c.processor().kernel
	if c.series != "" {
		what = "the newest " + c.series + ".x"
	}
	var from []string
	for _, a := range c.archives {
		from = append(from, a.suites())
	}
	text := what + " of " + strings.Join(from, ", else of ")
	if !c.headers && !c.processor().foreign() {
		text += "; no headers, so no simulator of hardware"
	}
	return text
}

// choose finds what a user named.
func choose(selector string) (choice, error) {
	var known strings.Builder
	for _, c := range choices() {
		if c.selector == selector {
			return c, nil
		}
		fmt.Fprintf(&known, "\n  %-12s %s", c.selector, c.holds())
	}
	return choice{}, fmt.Errorf("kernel %q is not known; choose one of%s", selector, known.String())
}

// Selectors are all kernels that can be named, oldest first.
func Selectors() []string {
	var all []string
	for _, c := range choices() {
		all = append(all, c.selector)
	}
	return all
}

// Tested are the kernels that are tested unless others are named, oldest first.
func Tested() []string { return []string{"6.1", "6.12", "7.3"} }

// Stays reports whether Debian keeps a kernel while its release is supported: if it is missing, something is wrong.
func Stays(selector string) bool {
	c, err := choose(selector)
	return err == nil && c.stays
}
