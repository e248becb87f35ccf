package flowtable

import (
	"cmp"
	"fmt"
	"slices"
)

// A Quirk is a way of some kernels with flowtables that surprises, what follows from it, and what to do. Its fields are set once; safe for
// concurrent reading.
type Quirk struct {
	ID string `json:"id"` // stable
	// From is the first release known to behave so, "" is every one that has flowtables; Until the first known not to, "" is none so far.
	// Source says on which releases it was seen.
	From  string `json:"from,omitempty"`
	Until string `json:"until,omitempty"`
	// Stable are series of stable releases that changed on their own: what a Span says of a series holds there in place of From and Until.
	Stable []Span `json:"stable,omitempty"`
	// Effect says what happens, Do what to do about it, or what this library does.
	Effect string `json:"effect"`
	Do     string `json:"do"`
	// Source is the kernel's file or function, and the test of this project that shows it.
	Source string `json:"source"`
}

// A Span is a part of one series of stable releases, by patch levels: {From: "6.18.45"} is the part of 6.18 from that on. From is the first
// release in it, Until the first after it; one of them may be "". It is a plain value.
type Span struct {
	From  string `json:"from,omitempty"`
	Until string `json:"until,omitempty"`
}

// Quirks are all that are known, of all kernels. They are read from the sources of 6.1.192, 6.12.117, 7.2.13 and 7.3.4 and tried on these, some
// on releases between too.
func Quirks() []Quirk {
	return slices.Concat(flowQuirks(), guardQuirks(), deviceQuirks(), hardwareQuirks(), rulesetQuirks())
}

// Quirks are those that the kernel has, or may have: one whose release cannot be read may have all of them, and one whose patch level is
// unknown all that any of its series has.
func (k Kernel) Quirks() []Quirk {
	return slices.DeleteFunc(Quirks(), func(q Quirk) bool { return !q.concerns(k.version()) })
}

// HasQuirk reports whether the kernel has the quirk of that ID, or may have it, as Quirks tells.
func (k Kernel) HasQuirk(id string) bool {
	return slices.ContainsFunc(Quirks(), func(q Quirk) bool { return q.ID == id && q.concerns(k.version()) })
}

// version is the release with the best known patch level.
func (k Kernel) version() string {
	if k.Version != "" {
		return k.Version
	}
	return k.Release
}

// concerns reports whether a kernel of that release behaves so, or may. One that cannot be read may.
func (q Quirk) concerns(release string) bool {
	v := versionOf(release)
	spans := slices.DeleteFunc(slices.Clone(q.Stable), func(s Span) bool { return !v.sameSeries(s.series()) })
	if len(spans) == 0 {
		spans = []Span{{q.From, q.Until}}
	}
	return v == (version{}) || slices.ContainsFunc(spans, func(s Span) bool { return s.has(v) })
}

// has reports whether a release is in the span, or may be.
func (s Span) has(v version) bool {
	return (s.From == "" || !v.before(versionOf(s.From))) && (s.Until == "" || v.mayBeBefore(versionOf(s.Until)))
}

func (s Span) series() version { return versionOf(cmp.Or(s.From, s.Until)) }

// before reports whether one release is older than another.
func before(release, other string) bool { return versionOf(release).before(versionOf(other)) }

// String is the quirk in one line.
func (q Quirk) String() string { return q.ID + " (" + q.Releases() + "): " + q.Effect + "; " + q.Do }

// Releases says which kernels are concerned: "all", "before 6.16", "since 6.19, and of 6.18 since 6.18.45".
func (q Quirk) Releases() string {
	text := Span{q.From, q.Until}.String()
	for _, s := range q.Stable {
		series := s.series()
		text += fmt.Sprintf(", and of %d.%d %v", series.major, series.minor, s)
	}
	return text
}

// String is the span in words: "since 6.18.45", "before 6.16"; "all" is one without ends.
func (s Span) String() string {
	switch {
	case s.From == "" && s.Until == "":
		return "all"
	case s.From == "":
		return "before " + s.Until
	case s.Until == "":
		return "since " + s.From
	}
	return "since " + s.From + ", before " + s.Until
}
