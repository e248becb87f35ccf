package ruleset

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nftvalue"
)

// WriteNFT writes the tables in the form of an nft file, as `nft -f` takes it and much as `nft list ruleset` prints it: nft
// 1.0.6 or newer, 1.1.6 if a device is a prefix. What was left out of a flowtable stands in a comment with its reason. Loading
// the file adds to what a kernel holds; delete the tables before if they may be there. A Raw statement is written as its Text.
func (r *Resolved) WriteNFT(w io.Writer) error {
	b := bufio.NewWriter(w)
	for i := range r.spec.Tables {
		if i > 0 {
			fmt.Fprintln(b)
		}
		r.writeTable(b, i)
	}
	return b.Flush()
}

// writeTable writes one table. Errors stay in the buffered writer until Flush.
func (r *Resolved) writeTable(w *bufio.Writer, index int) {
	t := &r.spec.Tables[index]
	fmt.Fprintf(w, "table %s %s {\n\tcomment %s\n", familyText(t.Family), t.Name, nftvalue.Quote(ownerComment(r.owner())))
	for i := range t.Flowtables {
		r.writeFlowtable(w, index, i)
	}
	for i := range t.Sets {
		writeSet(w, &t.Sets[i])
	}
	for i := range t.Chains {
		writeChain(w, t.Family, &t.Chains[i])
	}
	fmt.Fprint(w, "}\n")
}

func (r *Resolved) owner() string {
	if r.spec.Owner == "" {
		return DefaultOwner
	}
	return r.spec.Owner
}

func (r *Resolved) writeFlowtable(w *bufio.Writer, table, index int) {
	f := &r.spec.Tables[table].Flowtables[index]
	fmt.Fprintf(w, "\n\tflowtable %s {\n", f.Name)
	for _, line := range flowtableLines(f, r.listed(table, index)) {
		fmt.Fprintf(w, "\t\t%s;\n", line)
	}
	for _, b := range r.bindingsOf(table, index) {
		if !b.State.Listed() {
			fmt.Fprintf(w, "\t\t# left out: %q %s: %s\n", b.Device, b.State, b.Why)
		}
	}
	fmt.Fprint(w, "\t}\n")
}

func writeSet(w *bufio.Writer, s *Set) {
	fmt.Fprintf(w, "\n\tset %s {\n", s.Name)
	for _, line := range setLines(s) {
		fmt.Fprintf(w, "\t\t%s\n", line)
	}
	if len(s.Elements) > 0 {
		fmt.Fprintf(w, "\t\telements = %s\n", elementsText(s))
	}
	fmt.Fprint(w, "\t}\n")
}

func writeChain(w *bufio.Writer, family Family, c *Chain) {
	fmt.Fprintf(w, "\n\tchain %s {\n", c.Name)
	if head := chainHead(c); head != "" {
		fmt.Fprintf(w, "\t\t%s\n", head)
	}
	for i := range c.Rules {
		fmt.Fprintf(w, "\t\t%s\n", ruleText(family, &c.Rules[i]))
	}
	fmt.Fprint(w, "\t}\n")
}

// chainHead is what makes a base chain: "type filter hook forward priority filter; policy accept;". "" for a regular chain.
func chainHead(c *Chain) string {
	if c.Hook == "" {
		return ""
	}
	kind, policy := c.Type, c.Policy
	if kind == "" {
		kind = FilterChain
	}
	if policy == "" {
		policy = VerdictAccept
	}
	return fmt.Sprintf("type %s hook %s priority %s; policy %s;", kind, c.Hook, c.Priority.At(string(c.Hook)), policy)
}

// flowtableText is a flowtable's body on one line: `{ hook ingress priority filter; devices = { "eth0" }; counter; }`.
func flowtableText(f *flowtable.Spec, devices []string) string {
	return "{ " + strings.Join(flowtableLines(f, devices), "; ") + "; }"
}

func flowtableLines(f *flowtable.Spec, devices []string) []string {
	lines := []string{"hook ingress priority " + f.Priority.At("ingress")}
	if len(devices) > 0 {
		lines = append(lines, devicesText(devices))
	}
	if f.Hardware == flowtable.HardwareOn {
		lines = append(lines, "flags offload")
	}
	if !f.NoCounter {
		lines = append(lines, "counter")
	}
	return lines
}

func devicesText(devices []string) string {
	return "devices = { " + strings.Join(quoteAll(devices), ", ") + " }"
}

// setText is a set's body on one line, without elements: "{ type ipv4_addr; flags interval; }".
func setText(s *Set) string {
	return "{ " + strings.Join(setLines(s), "; ") + "; }"
}

func setLines(s *Set) []string {
	lines := []string{"type " + string(s.Type)}
	if s.Interval {
		lines = append(lines, "flags interval")
	}
	return lines
}

// elementsText is a set's elements, sorted by value: "{ 10.0.0.0/8, 192.0.2.1 }".
func elementsText(s *Set) string {
	kind := kindOf(s.Type)
	words := make([]string, 0, len(s.Elements))
	for _, v := range nftvalue.SortedSpans(kind, s.Elements) {
		words = append(words, v.Text(kind))
	}
	return "{ " + strings.Join(words, ", ") + " }"
}

func quoteAll(words []string) []string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = nftvalue.Quote(w)
	}
	return quoted
}

func familyText(f Family) string {
	if f == "" {
		return string(Inet)
	}
	return string(f)
}
