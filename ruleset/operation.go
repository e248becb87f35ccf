package ruleset

import (
	"slices"
	"strconv"
	"strings"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/mark"
	"github.com/go-fastpath/fastpath/internal/nftvalue"
)

// A Verb is what an Operation does, in nft's spelling.
type Verb string

// The verbs.
const (
	VerbCreate  Verb = "create" // the object must not exist
	VerbAdd     Verb = "add"    // of a chain or a flowtable that exists: changes what can be changed in place
	VerbInsert  Verb = "insert" // of a rule: before another
	VerbReplace Verb = "replace"
	VerbDelete  Verb = "delete"
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
	// Handle of the rule that is replaced or deleted, or before which one is inserted. 0 for everything else, and for the deletion
	// of all rules of a chain.
	Handle uint64 `json:"handle,omitempty"`
	// Reason says in one sentence why. It is "" for the parts of a table whose operation gives the reason.
	Reason string `json:"reason,omitempty"`
	// Disruptive says that live flows leave the fast path by this operation. They stay connected.
	Disruptive bool `json:"disruptive,omitempty"`

	object any // what to encode: *newTable, *Chain, *Set, *elements, *boundFlowtable, *Rule, copying; nil if the names say it
}

// A newTable is a table with the mark that it will bear.
type newTable struct {
	table *Table
	owner string
	note  string // what to remember beside it
	err   error  // why it cannot be made
}

// A boundFlowtable is a flowtable with the devices that are sent: all of a new one, or those that an existing one gains or loses.
type boundFlowtable struct {
	spec    *flowtable.Spec
	devices []string
	update  bool // it exists: its hook stays
	flags   bool // send the flags of an existing one
}

// Elements are some of a set's: those that it gains or loses.
type elements struct {
	set    *Set
	ranges []nftvalue.Range // sorted
	first  bool             // they are all that a new set holds
	all    bool             // whatever it holds
}

// String is the operation as one nft command. The reason is not part of it.
func (o Operation) String() string {
	if x, ok := o.object.(*elements); ok && x.all {
		return "flush set " + string(o.Family) + " " + wordOf(o.Table) + " " + wordOf(o.Name)
	}
	if o.Verb == VerbDelete && o.Kind == KindRule && o.Handle == 0 {
		return "flush chain " + string(o.Family) + " " + wordOf(o.Table) + " " + wordOf(o.Name)
	}
	words := string(o.Verb) + " " + string(o.Kind) + " " + string(o.Family) + " " + wordOf(o.Table)
	if o.Name != "" {
		words += " " + wordOf(o.Name)
	}
	if o.Handle != 0 {
		words += " handle " + strconv.FormatUint(o.Handle, 10)
	}
	if body := o.body(); body != "" {
		words += " " + body
	}
	return words
}

// wordOf is a name in a command: others' may hold anything. An Operation that is none has no names.
func wordOf(name string) string {
	if name == "" {
		return ""
	}
	return flowtable.Spelled(name)
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
		return setText(x)
	case *elements:
		return x.text()
	case *boundFlowtable:
		return x.text(o.Verb)
	case *Rule:
		return ruleText(o.Family, x)
	}
	return ""
}

// text is the flowtable as nft takes it. An update repeats the flags, which nft would clear otherwise.
func (f *boundFlowtable) text(verb Verb) string {
	if verb == VerbDelete {
		return "{ " + devicesText(f.devices) + "; }"
	}
	return flowtableText(f.spec, f.devices)
}

func (e *elements) text() string {
	kind := kindOf(e.set.Type)
	_, length, _ := kind.SetType()
	words := make([]string, len(e.ranges))
	for i := range e.ranges {
		words[i] = e.ranges[i].Span(kind, int(length)).Text(kind)
	}
	return "{ " + strings.Join(words, ", ") + " }"
}

// Flowtable is a copy of the flowtable that the operation adds or changes, and the devices that are sent with it ("eth0",
// "ppp*"): all of a new one, those that an existing one gains or loses. False for operations on anything else.
func (o Operation) Flowtable() (spec flowtable.Spec, devices []string, ok bool) {
	f, ok := o.object.(*boundFlowtable)
	if !ok {
		return flowtable.Spec{}, nil, false
	}
	return cloneFlowtable(*f.spec), slices.Clone(f.devices), true
}

// Rule is a copy of the rule that the operation adds, inserts or puts in place of another; false for operations on anything else.
func (o Operation) Rule() (Rule, bool) {
	r, ok := o.object.(*Rule)
	if !ok {
		return Rule{}, false
	}
	return cloneRule(*r), true
}

// ownerComment is the mark of an owner.
func ownerComment(owner string) string { return mark.OwnerPrefix + owner }
