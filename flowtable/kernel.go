package flowtable

import (
	"strconv"
	"strings"
)

// KernelOf says how a kernel of that release treats the devices of flowtables, judged by the release alone ("6.12.117",
// "6.1.0-56-amd64"). Distributions patch kernels: on the machine itself offload.Manager.Target tries instead of judging. A
// release that cannot be read is taken for an old one, which is always safe: devices are then listed only if they are there.
//
// ByName is Linux 6.16 (flowtable hooks by name). Wildcards is Linux 6.18: prefixes came with 6.16 as unterminated names and
// were given their own attribute, NFTA_DEVICE_PREFIX, soon after.
func KernelOf(release string) Kernel {
	major, minor := versionOf(release)
	return Kernel{
		Release:   release,
		ByName:    major > 6 || major == 6 && minor >= 16,
		Wildcards: major > 6 || major == 6 && minor >= 18,
	}
}

// versionOf reads "6.12" out of "6.12.117-amd64"; zeros if it is none.
func versionOf(release string) (major, minor int) {
	parts := strings.SplitN(release, ".", 3)
	if len(parts) < 2 {
		return 0, 0
	}
	major, err := strconv.Atoi(parts[0])
	if err != nil || major < 0 {
		return 0, 0
	}
	digits := parts[1]
	for i := range len(digits) {
		if !isDigit(rune(digits[i])) {
			digits = digits[:i]
			break
		}
	}
	minor, err = strconv.Atoi(digits)
	if err != nil {
		return 0, 0
	}
	return major, minor
}
