package ruleset

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/mark"
	"github.com/go-fastpath/fastpath/internal/nftvalue"
	"github.com/go-fastpath/fastpath/internal/runlock"
)

// maxComment is the longest comment in bytes that nft takes (NFTNL_UDATA_COMMENT_MAXLEN without the NUL).
const maxComment = 127

// Validate reports every mistake of the Spec at once, joined, in a fixed order; each is a *flowtable.FieldError with its
// path and the next step. A valid Spec is one that nft can spell and that a kernel with flowtables takes, given its devices. Two
// things only the kernel knows: what Raw statements mean, and whether a rule of dozens of statements is beyond the 4095 bytes of
// its own memory for one (EFBIG). Of one list of elements, devices, values or addresses it reports the first hundred mistakes, and how many
// there are. A nil Spec is one error without a path: it is not taken for an empty one, which removes all of an owner's tables.
func (s *Spec) Validate() error { return new(validator).check(s) }

// errNil says that a Spec is missing: most likely an error before was not looked at.
var errNil = errors.New("the Spec is nil; an empty one removes the owner's tables")

// check is Validate. What it read of sets stays with the validator.
func (v *validator) check(s *Spec) error {
	if s == nil {
		return errNil
	}
	v.add("owner", checkOwner(s.Owner))
	v.checkAnnouncements(s)
	tables := map[string]int{}
	for i := range s.Tables {
		t := &s.Tables[i]
		key := familyText(t.Family) + " " + t.Name
		v.unique(tables, key, i, place{table: i}.path("name"), "table", "tables")
		if mark.OfTable(t.Name) != nil || runlock.Reserved(t.Name) {
			v.add(place{table: i}.path("name"), fmt.Errorf("%q is kept for the marks and locks that this library makes; rename it", t.Name))
		}
		v.checkTable(i, t)
	}
	v.checkCompanions(s, tables)
	return errors.Join(v.mistakes...)
}

// A validator gathers the mistakes of one Spec.
type validator struct {
	mistakes []error
	elements []tableElements // of each table's sets, sorted
	tables   []checkedTable
	earlier  *Resolved // what was valid before, nil is nothing

	// Of the list of values at work; memory is kept between lists.
	reader nftvalue.Reader
	spans  []nftvalue.Span
	values values
}

func (v *validator) add(path string, err error) {
	if err != nil {
		v.mistakes = append(v.mistakes, &flowtable.FieldError{Path: path, Err: err})
	}
}

// cut shortens the mistakes from index from on, which are those of one list.
func (v *validator) cut(from int) { v.mistakes = flowtable.Shorten(v.mistakes, from) }

// addChain, addRule and addStatement put a path together only if there is a mistake: rulesets have ten thousand rules.
func (v *validator) addChain(p place, below string, err error) {
	if err != nil {
		v.add(p.chainPath(below), err)
	}
}

func (v *validator) addRule(p place, below string, err error) {
	if err != nil {
		v.add(p.rulePath(below), err)
	}
}

func (v *validator) addStatement(p place, below string, err error) {
	if err != nil {
		v.add(p.statementPath(below), err)
	}
}

// addAll adds the mistakes of a part under its path.
func (v *validator) addAll(path string, err error) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		v.add(path, err)
		return
	}
	for _, e := range joined.Unwrap() {
		var field *flowtable.FieldError
		if errors.As(e, &field) {
			v.add(path+"."+field.Path, field.Err)
		} else {
			v.add(path, e)
		}
	}
}

// unique notes a name and refuses its second use.
func (v *validator) unique(seen map[string]int, key string, index int, path, kind, list string) {
	if first, taken := seen[key]; taken {
		v.add(path, fmt.Errorf("%s %q is already %s[%d]; rename or remove one", kind, key, list, first))
		return
	}
	seen[key] = index
}

// A place is where a mistake can be.
type place struct {
	table, chain, rule, statement int
	// policy is the path below the table of what holds a policy's rules, "" in chains. If also is set it holds statements.
	policy string
	also   bool
}

// path of the table, and below it.
func (p place) path(below string) string { return "tables[" + strconv.Itoa(p.table) + "]." + below }

// chainPath is the path of something in the chain.
func (p place) chainPath(below string) string {
	if p.policy != "" {
		return p.path(p.policy + "." + below)
	}
	return p.path("chains[" + strconv.Itoa(p.chain) + "]." + below)
}

// rulePath is the path of something in the rule.
func (p place) rulePath(below string) string {
	return p.chainPath("rules[" + strconv.Itoa(p.rule) + "]." + below)
}

// statementPath is the path of the statement, or of something in it.
func (p place) statementPath(below string) string {
	path := p.rulePath("do[" + strconv.Itoa(p.statement) + "]")
	if p.also {
		path = p.chainPath("also[" + strconv.Itoa(p.statement) + "]")
	}
	if below == "" {
		return path
	}
	return path + "." + below
}

func (v *validator) checkTable(index int, t *Table) {
	p := place{table: index}
	if familyText(t.Family) != string(Inet) && t.Family != IP && t.Family != IP6 {
		v.add(p.path("family"), fmt.Errorf(`family %q has no flowtables; write "inet", "ip" or "ip6"`, string(t.Family)))
	}
	v.add(p.path("name"), flowtable.CheckName(t.Name))
	v.checkFlowtables(p, t.Flowtables)
	v.checkSets(p, t.Sets)
	v.checkChains(p, t)
}

func (v *validator) checkFlowtables(p place, all []flowtable.Spec) {
	var devices []flowtable.Selector
	var of []int // index of each device's flowtable
	for i := range all {
		for _, d := range all[i].Devices {
			devices, of = append(devices, d), append(of, i)
		}
	}
	overlaps := flowtable.FirstOverlaps(devices)
	names := map[string]int{}
	for i := range all {
		path := p.path("flowtables[" + strconv.Itoa(i) + "]")
		v.addAll(path, all[i].Validate())
		v.unique(names, all[i].Name, i, path+".name", "flowtable", "flowtables")
		before := len(v.mistakes)
		for j, d := range all[i].Devices {
			if first := overlaps[j]; first >= 0 && of[first] != i { // its own flowtable's are told by its Validate
				v.add(path+".devices["+strconv.Itoa(j)+"]", sharedDevice(d, devices[first], all[of[first]].Name))
			}
		}
		v.cut(before)
		overlaps = overlaps[len(all[i].Devices):]
	}
}

// sharedDevice refuses a device that an earlier flowtable of the table already has: the kernel answers EEXIST
// (net/netfilter/nf_tables_api.c, nft_register_flowtable_net_hooks).
func sharedDevice(device, first flowtable.Selector, name string) error {
	return fmt.Errorf("%q is already picked by %q of flowtable %q; the kernel refuses a device in two flowtables of a table: remove one, or use two tables",
		device.String(), first.String(), name)
}

// checkOwner keeps the owner's mark within what a table's comment can hold.
func checkOwner(owner string) error {
	if longest := maxComment - len(mark.OwnerPrefix); len(owner) > longest {
		return fmt.Errorf("the owner is %d bytes long; a table's comment has room for %d", len(owner), longest)
	}
	return mark.CheckText("the owner", owner)
}

// checkLength bounds a text in bytes.
func checkLength(what, text string, longest int) error {
	if len(text) > longest {
		return fmt.Errorf("%s is %d bytes long; write at most %d", what, len(text), longest)
	}
	return nil
}
