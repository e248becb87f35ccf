package testns

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A Release is the version of a running kernel. It is a plain value.
type Release struct {
	Major, Minor int
	Text         string // as uname -r prints it: "6.12.117+deb12-amd64"
}

// Kernel is the release of the running kernel.
func Kernel() (Release, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return Release{}, fmt.Errorf("testns: uname: %w", err)
	}
	return ParseRelease(unix.ByteSliceToString(u.Release[:]))
}

// ParseRelease reads what uname -r prints. What follows the first two numbers is kept as text only.
func ParseRelease(text string) (Release, error) {
	r := Release{Text: text}
	major, rest, ok := strings.Cut(text, ".")
	if !ok {
		return r, fmt.Errorf("testns: kernel release %q has no minor version", text)
	}
	end := strings.IndexFunc(rest, func(c rune) bool { return c < '0' || c > '9' })
	if end < 0 {
		end = len(rest)
	}
	var err error
	if r.Major, err = strconv.Atoi(major); err != nil {
		return r, fmt.Errorf("testns: kernel release %q: %w", text, err)
	}
	if r.Minor, err = strconv.Atoi(rest[:end]); err != nil {
		return r, fmt.Errorf("testns: kernel release %q: %w", text, err)
	}
	return r, nil
}

// AtLeast reports whether the kernel is major.minor or newer.
func (r Release) AtLeast(major, minor int) bool {
	return r.Major > major || r.Major == major && r.Minor >= minor
}

// String is the text that uname -r prints.
func (r Release) String() string { return r.Text }
