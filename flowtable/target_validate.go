package flowtable

import (
	"errors"
	"fmt"
	"strconv"
)

// Validate reports every mistake of a Target given by hand at once, joined; each is a *FieldError with its path
// ("links[3].name"). A nil Target is valid. Parents and masters may be in another network namespace: they need not be listed.
func (t *Target) Validate() error {
	if t == nil {
		return nil
	}
	var all mistakes
	if t.Kernel.Wildcards && !t.Kernel.ByName {
		all.add("kernel.wildcards", errors.New("a kernel that takes prefixes also takes names of missing devices; set byName too"))
	}
	names, indexes := map[string]int{}, map[int]int{}
	for i, l := range t.Links {
		path := "links[" + strconv.Itoa(i) + "]"
		all.add(path+".name", CheckDevice(l.Name))
		if first, taken := names[l.Name]; taken && l.Name != "" {
			all.add(path+".name", fmt.Errorf("device %q is already links[%d]; remove one", l.Name, first))
		} else {
			names[l.Name] = i
		}
		if first, taken := indexes[l.Index]; taken && l.Index != 0 {
			all.add(path+".index", fmt.Errorf("index %d is already that of links[%d]; remove one, or leave it out", l.Index, first))
		} else {
			indexes[l.Index] = i
		}
		all.checkIndex(path+".index", l.Index)
		all.checkIndex(path+".parent", l.Parent)
		all.checkIndex(path+".master", l.Master)
	}
	return all.join()
}

func (m *mistakes) checkIndex(path string, index int) {
	if index < 0 {
		m.add(path, fmt.Errorf("index %d is negative; device indexes begin at 1, 0 is none", index))
	}
}
