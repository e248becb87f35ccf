package flowtable

import (
	"cmp"
	"math"
	"strconv"
	"strings"
)

// KernelOf says how a kernel of that release treats the devices of flowtables, judged by the release alone ("6.12.117",
// "6.1.0-56-amd64"). Distributions patch kernels: on the machine itself offload.Manager.Target tries instead of judging. A
// release that cannot be read is taken for an old one, which is always safe: devices are then listed only if they are there.
//
// ByName and Wildcards are Linux 6.16, which hooks flowtables by name and takes prefixes (NFTA_DEVICE_PREFIX).
func KernelOf(release string) Kernel {
	recent := !before(release, "6.16")
	return Kernel{Release: release, ByName: recent, Wildcards: recent}
}

// A version is a release in numbers; zeros are one that cannot be read.
type version struct {
	major, minor int
	patch        int
	anyPatch     bool // the patch level is unknown
	candidate    bool // for the release: what that repairs may not be repaired in it
}

// versionOf reads "6.12.117-amd64". Without a third number the patch level is unknown, and so it is in names such as "6.1.0-57-amd64" of Debian and
// "6.8.0-49-generic" of Ubuntu, which count builds there. A candidate for a release ("6.18-rc1") is of patch level 0.
func versionOf(release string) version {
	major, rest, ok := number(release)
	if !ok || !strings.HasPrefix(rest, ".") {
		return version{}
	}
	minor, rest, ok := number(rest[1:])
	if !ok {
		return version{}
	}
	v := version{major: major, minor: minor, candidate: isCandidate(rest)}
	v.anyPatch = !v.candidate
	if patch, rest, ok := number(strings.TrimPrefix(rest, ".")); ok && !(patch == 0 && countsBuilds(rest)) {
		v.patch, v.anyPatch, v.candidate = patch, false, patch == 0 && isCandidate(rest)
	}
	return v
}

// isCandidate reports whether a release goes on as that of a candidate: "-rc1", and "~rc1" in Debian's package versions.
func isCandidate(rest string) bool {
	return strings.HasPrefix(rest, "-rc") || strings.HasPrefix(rest, "~rc")
}

// countsBuilds reports whether a number of its own follows the three of a release.
func countsBuilds(rest string) bool {
	return len(rest) > 1 && rest[0] == '-' && isDigit(rune(rest[1]))
}

// number cuts the digits off a text's beginning.
func number(text string) (n int, rest string, ok bool) {
	end := 0
	for end < len(text) && isDigit(rune(text[end])) {
		end++
	}
	n, err := strconv.Atoi(text[:end])
	return n, text[end:], err == nil
}

func (v version) sameSeries(other version) bool {
	return v.major == other.major && v.minor == other.minor
}

// compare orders versions, by their patch levels too.
func (v version) compare(other version) int {
	return cmp.Or(cmp.Compare(v.major, other.major), cmp.Compare(v.minor, other.minor), cmp.Compare(v.patch, other.patch))
}

// before reports whether v is older than another version, whatever its patch level is if that is unknown. An unknown one of the other is
// the first of its series.
func (v version) before(other version) bool {
	if v.anyPatch {
		v.patch = math.MaxInt
	}
	return v.compare(other) < 0
}

// mayBeBefore is before, where an unknown patch level of v is the first of its series.
func (v version) mayBeBefore(other version) bool { return v.compare(other) < 0 }
