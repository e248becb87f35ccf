package offloadtest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// Ruleset lists what the kernel holds, for people and for comparison in tests: close to nft's form, with the expressions of
// a rule by their names and what they refer to. Devices are sorted.
func (k *Kernel) Ruleset() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var b strings.Builder
	for _, t := range k.state.tables {
		t.text(&b)
	}
	return b.String()
}

// Generation is the ruleset's generation: every commit that changes something moves it.
func (k *Kernel) Generation() uint32 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.state.generation
}

func (t *table) text(b *strings.Builder) {
	fmt.Fprintf(b, "table %s %s {%s\n", nlmsg.FamilyName(t.family), t.name, comment(t.userdata))
	for _, f := range t.flowtables {
		fmt.Fprintf(b, "\tflowtable %s {%s }\n", f.name, f.body())
	}
	for _, s := range t.sets {
		if !s.anonymous() {
			fmt.Fprintf(b, "\tset %s { %d elements }\n", s.name, len(s.elements))
		}
	}
	for _, c := range t.chains {
		fmt.Fprintf(b, "\tchain %s {\n", c.name)
		if c.base != nil {
			policy := [...]string{"drop", "accept"}[c.base.policy&1]
			fmt.Fprintf(b, "\t\ttype %s hook %s priority %d; policy %s;\n", c.base.typ, hookName(c.base.hook), c.base.priority, policy)
		}
		for _, r := range c.rules {
			fmt.Fprintf(b, "\t\t%s%s\n", r.body(), comment(r.userdata))
		}
		b.WriteString("\t}\n")
	}
	b.WriteString("}\n")
}

func (f *flowTable) body() string {
	text := fmt.Sprintf(" hook ingress priority %d;", f.priority)
	if len(f.devices) > 0 {
		var names []string
		for _, d := range f.devices {
			if d.prefix {
				d.name += "*"
			}
			names = append(names, d.name)
		}
		slices.Sort(names)
		text += " devices = { " + strings.Join(names, ", ") + " };"
	}
	if f.flags&nlmsg.FlowtableHWOffload != 0 {
		text += " flags offload;"
	}
	if f.flags&nlmsg.FlowtableCounter != 0 {
		text += " counter;"
	}
	return text
}

func (r *rule) body() string {
	var words []string
	for _, e := range r.exprs {
		word := e.name
		if e.set != "" {
			word += " @" + e.set
		}
		if e.flowtable != "" {
			word = "flow add @" + e.flowtable
		}
		if e.chain != "" {
			word = "jump " + e.chain
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

// comment is the comment in a table's or a rule's user data; both kinds have type 0.
func comment(udata []byte) string {
	if len(udata) < 2 || udata[0] != 0 || len(udata)-2 < int(udata[1]) {
		return ""
	}
	return fmt.Sprintf(" # %s", bytes.TrimRight(udata[2:2+int(udata[1])], "\x00"))
}

func hookName(n uint32) string {
	names := [...]string{"prerouting", "input", "forward", "output", "postrouting"}
	if int(n) < len(names) {
		return names[n]
	}
	return fmt.Sprint(n)
}
