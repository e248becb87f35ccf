package kernel

import "github.com/go-fastpath/fastpath/flowtable"

// Manners are how the kernel treats flowtables, and how that is known.
type Manners struct {
	Kernel     flowtable.Kernel
	Flowtables Finding // does it have any
	ByName     Finding // does it take devices that are not there (Linux 6.16)
	Wildcards  Finding // does it take name prefixes (Linux 6.16)
}

// A Finding is the answer of a probe. Known is false where it could not be tried; Yes is then judged by the release, and false for
// flowtables, of which no release tells.
type Finding struct {
	Known, Yes bool
	Evidence   string
}
