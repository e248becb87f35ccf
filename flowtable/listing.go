package flowtable

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// A listing gathers the bindings of one flowtable, each device once.
type listing struct {
	at  map[string]int
	all []entry
}

// An entry is one device on its way to a Binding.
type entry struct {
	device string
	state  State
	why    string
	label  bool     // device is a selector's name: it picks nothing
	tops   []string // the devices that stand on it, if that is all that is known of why
	trace  []string
}

func newListing() *listing { return &listing{at: map[string]int{}} }

// maxTraces is how many ways to one device are told.
const maxTraces = 8

// add merges an entry with what is known of the device: listed wins over left out, and a reason of its own over what stands on it.
func (l *listing) add(e entry) {
	i, there := l.at[e.device]
	if !there {
		l.at[e.device] = len(l.all)
		l.all = append(l.all, e)
		return
	}
	old := &l.all[i]
	switch better := e.state.Listed() && !old.state.Listed(); {
	case better:
		old.state, old.why, old.tops = e.state, e.why, e.tops
	case e.state.Listed() != old.state.Listed():
	case old.why == "" || e.why != "" && e.why < old.why:
		old.why = e.why
		fallthrough
	default:
		old.tops = append(old.tops, e.tops...)
	}
	old.trace = append(old.trace, e.trace...)
}

// drop takes an entry out.
func (l *listing) drop(device string) {
	if i, there := l.at[device]; there {
		l.all[i].device = ""
		delete(l.at, device)
	}
}

// absorb merges what wildcards of the same flowtable pick into them: kernels refuse a device twice.
func (l *listing) absorb() {
	wild := map[string]int{}
	for i := range l.all {
		if prefix, is := strings.CutSuffix(l.all[i].device, "*"); is && l.all[i].state.Listed() {
			wild[prefix] = i
		}
	}
	if len(wild) == 0 {
		return
	}
	for i := range l.all {
		e := &l.all[i]
		if e.label {
			continue
		}
		name, isWild := strings.CutSuffix(e.device, "*")
		longest := min(len(name), MaxDevice)
		if isWild && e.state.Listed() {
			longest = min(len(name)-1, MaxDevice)
		} else if isWild {
			continue // a device of that name, or a selector that picks nothing
		}
		for n := 1; n <= longest; n++ {
			if w, is := wild[name[:n]]; is && e.state != Unsupported {
				l.all[w].trace = append(l.all[w].trace, e.trace...)
				l.drop(e.device)
				break
			}
		}
	}
}

// bindings are the entries, sorted by device.
func (l *listing) bindings(flowtable string) []Binding {
	var list []Binding
	for i := range l.all {
		e := &l.all[i]
		if e.device == "" {
			continue
		}
		b := Binding{Flowtable: flowtable, Device: e.device, State: e.state, Why: e.why, Trace: sortedOnce(e.trace)}
		if b.Why == "" {
			b.Why = standing(sortedOnce(e.tops))
		}
		if more := len(b.Trace) - maxTraces; more > 0 {
			b.Trace = append(b.Trace[:maxTraces:maxTraces], "and "+strconv.Itoa(more)+" more ways")
		}
		list = append(list, b)
	}
	slices.SortFunc(list, func(a, b Binding) int { return cmp.Compare(a.Device, b.Device) })
	return list
}

// standing names what stands on a device.
func standing(tops []string) string {
	if len(tops) == 1 {
		return tops[0] + " stands on it"
	}
	return shortened(tops) + " stand on it"
}

// shortened is a list of names, but not all of many.
func shortened(names []string) string {
	const most = 4
	rest := ""
	if more := len(names) - most; more > 0 {
		names, rest = names[:most], " and "+strconv.Itoa(more)+" more"
	}
	return strings.Join(names, ", ") + rest
}

// sortedOnce sorts a list in place, each value once; nil if there are none.
func sortedOnce(list []string) []string {
	slices.Sort(list)
	list = slices.Compact(list)
	if len(list) == 0 {
		return nil
	}
	return list
}

// taken is what the flowtables before list, and which one.
type taken struct{ names, prefixes, beginnings map[string]string }

func newTaken() *taken {
	return &taken{names: map[string]string{}, prefixes: map[string]string{}, beginnings: map[string]string{}}
}

// take notes a device or a wildcard.
func (t *taken) take(device, flowtable string) {
	name, wild := strings.CutSuffix(device, "*")
	if wild {
		t.prefixes[name] = flowtable
	} else {
		t.names[name] = flowtable
	}
	for n := range min(len(name), MaxDevice) {
		if _, known := t.beginnings[name[:n+1]]; !known {
			t.beginnings[name[:n+1]] = flowtable
		}
	}
}

// by is the flowtable that lists a device, or a wildcard that picks it.
func (t *taken) by(device string) (flowtable string, is bool) {
	if f, is := t.names[device]; is {
		return f, true
	}
	for n := range min(len(device), MaxDevice) {
		if f, is := t.prefixes[device[:n+1]]; is {
			return f, true
		}
	}
	return "", false
}

// some is a flowtable that lists a device which the prefix picks, or a wildcard that overlaps.
func (t *taken) some(prefix string) (flowtable string, is bool) {
	if f, is := t.beginnings[prefix]; is {
		return f, true
	}
	return t.by(prefix)
}
