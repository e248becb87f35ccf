package ruleset

import (
	"slices"

	"github.com/go-fastpath/fastpath/flowtable"
)

// A Verb is what an Operation does, in nft's spelling.
type Verb string

// The verbs.
const (
	VerbCreate Verb = "create" // the object must not exist
	VerbAdd    Verb = "add"
	VerbDelete Verb = "delete"
)

// A Kind is what an Operation is done to, in nft's spelling.
type Kind string

// The kinds.
const (
	KindTable     Kind = "table"
	KindChain     Kind = "chain"
	KindSet       Kind = "set"
	KindElement   Kind = "element" // all elements of a set that one command names
	KindFlowtable Kind = "flowtable"
	KindRule      Kind = "rule"
)

// An Operation is one verb on one object, and the reason for it. Safe for concurrent reading.
type Operation struct {
	Verb   Verb   `json:"verb"`
	Kind   Kind   `json:"kind"`
	Family Family `json:"family"`
	Table  string `json:"table"`
	// Name of the chain, set or flowtable; of the set that holds the elements, of the chain that holds the rule. "" for a table.
	Name string `json:"name,omitempty"`
	// Reason says in one sentence why. It is "" for the parts of a table whose operation gives the reason.
	Reason string `json:"reason,omitempty"`

	object any // what to encode: *newTable, *Chain, *Set, *boundFlowtable, *Rule; nil for a deletion
}

// A newTable is a table with the mark that it will bear.
type newTable struct {
	table *Table
	owner string
}

// A boundFlowtable is a flowtable with the devices that are sent.
type boundFlowtable struct {
	spec    *flowtable.Spec
	devices []string
}

// String is the operation as one nft command. The reason is not part of it.
func (o Operation) String() string {
	words := string(o.Verb) + " " + string(o.Kind) + " " + string(o.Family) + " " + o.Table
	if o.Name != "" {
		words += " " + o.Name
	}
	if body := o.body(); body != "" {
		words += " " + body
	}
	return words
}

// body is what follows the names in the command.
func (o Operation) body() string {
	switch x := o.object.(type) {
	case *newTable:
		return `{ comment "` + ownerComment(x.owner) + `"; }`
	case *Chain:
		if head := chainHead(x); head != "" {
			return "{ " + head + " }"
		}
	case *Set:
		if o.Kind == KindElement {
			return elementsText(x)
		}
		return setText(x)
	case *boundFlowtable:
		return flowtableText(x.spec, x.devices)
	case *Rule:
		return ruleText(o.Family, x)
	}
	return ""
}

// Flowtable is a copy of the flowtable that the operation adds, and the devices that are sent with it ("eth0", "ppp*"); false
// for operations on anything else.
func (o Operation) Flowtable() (spec flowtable.Spec, devices []string, ok bool) {
	f, ok := o.object.(*boundFlowtable)
	if !ok {
		return flowtable.Spec{}, nil, false
	}
	return cloneFlowtable(*f.spec), slices.Clone(f.devices), true
}

// Rule is a copy of the rule that the operation adds; false for operations on anything else.
func (o Operation) Rule() (Rule, bool) {
	r, ok := o.object.(*Rule)
	if !ok {
		return Rule{}, false
	}
	return cloneRule(*r), true
}

// ownerPrefix begins the comment of every table that this package makes; the owner's name follows.
const ownerPrefix = "managed by "

// ownerComment is the mark of an owner.
func ownerComment(owner string) string { return ownerPrefix + owner }
