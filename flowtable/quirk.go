package flowtable

import "slices"

// A Quirk is a way of some kernels with flowtables that surprises, what follows from it, and what to do. It is a plain value.
type Quirk struct {
	ID string `json:"id"` // stable
	// From is the first release known to behave so, "" is every one that has flowtables; Until the first known not to, "" is none so far.
	// Source says on which releases it was seen. The tests run on 6.1, 6.12 and 7.2; stable releases change, too.
	From  string `json:"from,omitempty"`
	Until string `json:"until,omitempty"`
	// Effect says what happens, Do what to do about it, or what this library does.
	Effect string `json:"effect"`
	Do     string `json:"do"`
	// Source is the kernel's file or function, and the test of this project that shows it.
	Source string `json:"source"`
}

// Quirks are all that are known, of all kernels. They are read from the sources of 6.1.192, 6.12.117 and 7.2.13 and tried on these, some on
// 6.16 to 7.3 too.
func Quirks() []Quirk {
	return slices.Concat(flowQuirks(), guardQuirks(), deviceQuirks(), hardwareQuirks(), rulesetQuirks())
}

// Quirks are those of the kernel's release. A release that cannot be read has all of them.
func (k Kernel) Quirks() []Quirk {
	return slices.DeleteFunc(Quirks(), func(q Quirk) bool { return !q.concerns(k.Release) })
}

// HasQuirk reports whether the kernel's release has a quirk, or may have it: a release that cannot be read has all of them.
func (k Kernel) HasQuirk(id string) bool {
	return slices.ContainsFunc(k.Quirks(), func(q Quirk) bool { return q.ID == id })
}

// concerns reports whether a kernel of that release behaves so, or may. One that cannot be read does.
func (q Quirk) concerns(release string) bool {
	if major, minor := versionOf(release); major == 0 && minor == 0 {
		return true
	}
	return (q.From == "" || !before(release, q.From)) && (q.Until == "" || before(release, q.Until))
}

// before reports whether one release is older than another.
func before(release, other string) bool {
	major, minor := versionOf(release)
	otherMajor, otherMinor := versionOf(other)
	return major < otherMajor || major == otherMajor && minor < otherMinor
}

// String is the quirk in one line.
func (q Quirk) String() string { return q.ID + " (" + q.Releases() + "): " + q.Effect + "; " + q.Do }

// Releases says which kernels are concerned: "all", "before 6.16", "since 7.2", "6.16 to 6.18".
func (q Quirk) Releases() string {
	switch {
	case q.From == "" && q.Until == "":
		return "all"
	case q.From == "":
		return "before " + q.Until
	case q.Until == "":
		return "since " + q.From
	}
	return "since " + q.From + ", before " + q.Until
}
