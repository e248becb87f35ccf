// Package mark writes and reads the marks that fastpath keeps in the kernel: empty tables whose comment says something of an owner.
// Whoever may change the namespace's ruleset can make such a table. So what is read back is taken only if we could have written
// it so, word for word, and is none of ours otherwise.
package mark

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
)

// OwnerPrefix begins the comment of every table that fastpath makes; the owner's name follows, and in a mark what it says.
const OwnerPrefix = "managed by "

// Original is the note in the user data of a mark's table, beside the comment, as Plan.Remember leaves them. nft does not print it: a mark
// without it was not made by us, but comes from a ruleset that was saved and restored.
const Original = "original"

// longest is the longest comment that nft reads, in bytes (NFTNL_UDATA_COMMENT_MAXLEN without the NUL).
const longest = 127

// A Kind is one kind of marks. It is only read.
type Kind struct {
	Prefix string                      // of the table's name; a hash of the owner follows
	Words  []string                    // that stand before the values, the first behind the owner
	Keyed  bool                        // there is one for each owner and first value, not one for each owner
	Check  func(values []string) error // refuses what we would not write, by values as many as there are words
}

// Off says that the fast path of an owner is switched off: since when.
var Off = &Kind{
	Prefix: "fastpath_off_", Words: []string{", off since "},
	Check: func(values []string) error { return CheckTime(values[0]) },
}

// On says to a Run, while there is one, that the fast path of an owner was switched on on purpose: when. The Run takes it away.
var On = &Kind{
	Prefix: "fastpath_on_", Words: []string{", on since "},
	Check: func(values []string) error { return CheckTime(values[0]) },
}

// Unconfirmed says that a change waits for its confirmation: which one, and when it is taken back.
var Unconfirmed = &Kind{
	Prefix: "fastpath_unconfirmed_", Words: []string{", unconfirmed ", ", taken back at "},
	Check: func(values []string) error { return errors.Join(CheckID(values[0]), CheckTime(values[1])) },
}

// Setting says that a setting of the namespace was changed: its key, what it was set to, and what it was before.
var Setting = &Kind{
	Prefix: "fastpath_setting_", Words: []string{", changed ", " to ", ", before "}, Keyed: true,
	Check: func(values []string) error {
		return errors.Join(CheckSetting(values[0], values[1]), CheckHeld(values[0], values[2]))
	},
}

var kinds = []*Kind{Off, On, Unconfirmed, Setting}

// OfTable is the kind of marks that a table of this name is reserved for; nil is none.
func OfTable(name string) *Kind {
	i := slices.IndexFunc(kinds, func(k *Kind) bool { return strings.HasPrefix(name, k.Prefix) })
	if i < 0 {
		return nil
	}
	return kinds[i]
}

// Table is the name of the table, of the family inet, that is the mark of an owner, and of the first value where the kind is Keyed.
func (k *Kind) Table(owner string, values ...string) string {
	sum := sha256.Sum256([]byte(k.subject(owner, values)))
	return fmt.Sprintf("%s%x", k.Prefix, sum[:16])
}

// earlier is the name that the mark had in builds before, whose hash was so short that owners could share it.
func (k *Kind) earlier(owner string, values []string) string {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(k.subject(owner, values)))
	return fmt.Sprintf("%s%08x", k.Prefix, sum.Sum32())
}

func (k *Kind) subject(owner string, values []string) string {
	if k.Keyed && len(values) > 0 {
		return owner + "\x00" + values[0]
	}
	return owner
}

// Text is what the comment of the mark's table says behind OwnerPrefix. What Read would not take is an error.
func (k *Kind) Text(owner string, values ...string) (string, error) {
	if len(values) != len(k.Words) {
		return "", fmt.Errorf("a mark %s* says %d things, not %d", k.Prefix, len(k.Words), len(values))
	}
	text := owner
	for i, v := range values {
		text += k.Words[i] + v
	}
	if err := errors.Join(CheckText("the owner", owner), k.Check(values)); err != nil {
		return "", err
	}
	if room := longest - len(OwnerPrefix) - len(text) + len(owner); len(owner) > room {
		return "", fmt.Errorf("the owner's name is too long: it is %d bytes long, and the mark in the kernel has room for %d", len(owner), room)
	}
	return text, nil
}

// A Mark is one that was read. It is a plain value.
type Mark struct {
	Kind     *Kind
	Table    string // its name; the family is inet
	Owner    string
	Values   []string
	Restored bool // it comes from a ruleset that was saved and restored, not from us
}

// Read takes a table of the family inet for a mark of the kind: its name, what its comment says behind OwnerPrefix, and the note. The error says
// why it is none.
func (k *Kind) Read(table, text, note string) (Mark, error) {
	m := Mark{Kind: k, Table: table, Owner: text, Values: make([]string, len(k.Words)), Restored: note != Original}
	for i := len(k.Words) - 1; i >= 0; i-- { // from the end: an owner's name can hold any words
		at := strings.LastIndex(m.Owner, k.Words[i])
		if at < 0 {
			return Mark{}, fmt.Errorf("its comment does not say %q of an owner", OwnerPrefix+"…"+strings.Join(k.Words, "…")+"…")
		}
		m.Owner, m.Values[i] = m.Owner[:at], m.Owner[at+len(k.Words[i]):]
	}
	if again, err := k.Text(m.Owner, m.Values...); err != nil {
		return Mark{}, fmt.Errorf("its comment is not one of ours: %w", err)
	} else if again != text {
		return Mark{}, errors.New("its comment is not one of ours")
	}
	switch table {
	case k.earlier(m.Owner, m.Values):
		m.Restored = false // nobody can tell
	case k.Table(m.Owner, m.Values...):
	default:
		return Mark{}, fmt.Errorf("its comment speaks of the owner %q, whose table has another name", m.Owner)
	}
	return m, nil
}
