package flowtable

import (
	"fmt"
	"slices"
	"strings"
)

// Mermaid draws the links and what they stand on as a Mermaid flowchart, upper devices first. An arrow leads to a device that
// packets come in by, a dotted one to a device below that kernels do not look through to. Equal Targets give equal drawings.
func (t *Target) Mermaid() string {
	n := topologyOf(t)
	var b strings.Builder
	b.WriteString("flowchart TD\n")
	for i := range n.links {
		fmt.Fprintf(&b, "    n%d[\"%s\"]\n", i, mermaidText(n.label(i), "<br/>"))
	}
	for _, e := range n.edges() {
		arrow := "-->"
		if e.dotted {
			arrow = "-.->"
		}
		fmt.Fprintf(&b, "    n%d %s|\"%s\"| n%d\n", e.from, arrow, mermaidText([]string{e.text}, ""), e.to)
	}
	return b.String()
}

// DOT draws the same as Mermaid in the language of Graphviz.
func (t *Target) DOT() string {
	n := topologyOf(t)
	var b strings.Builder
	b.WriteString("digraph topology {\n    node [shape=box];\n")
	for i := range n.links {
		fmt.Fprintf(&b, "    n%d [label=\"%s\"];\n", i, dotText(n.label(i), `\n`))
	}
	for _, e := range n.edges() {
		style := ""
		if e.dotted {
			style = ", style=dotted"
		}
		fmt.Fprintf(&b, "    n%d -> n%d [label=\"%s\"%s];\n", e.from, e.to, dotText([]string{e.text}, ""), style)
	}
	b.WriteString("}\n")
	return b.String()
}

// label are the lines that describe a link.
func (n *topology) label(i int) []string {
	l := &n.links[i]
	lines := []string{spelled(l.Name)}
	if l.Kind != "" {
		lines = append(lines, spelled(l.Kind))
	}
	return lines
}

// An edge leads from a link to one below.
type edge struct {
	from, to int
	text     string
	dotted   bool
}

// edges are in the order of their links.
func (n *topology) edges() []edge {
	var all []edge
	for i := range n.links {
		l, by := &n.links[i], n.under(i)
		for _, below := range by.below {
			text := by.text
			if l.Kind == "bridge" && !by.wraps {
				text = "port"
			}
			all = append(all, edge{i, below, text, false})
		}
		if len(by.below) == 0 {
			all = append(all, n.dotted(i)...)
		}
	}
	return slices.Compact(all)
}

// dotted are the edges to what a link stands on without being looked through.
func (n *topology) dotted(i int) []edge {
	var all []edge
	l := &n.links[i]
	if c, there := n.byIndex[l.Conduit]; there && l.Conduit != 0 {
		all = append(all, edge{i, c, "conduit", true})
	} else if p, there := n.byIndex[l.Parent]; there && l.Parent != 0 {
		all = append(all, edge{i, p, "on", true})
	}
	if l.Kind == "bridge" {
		return all
	}
	for _, slave := range n.portsOf(l) {
		all = append(all, edge{i, slave, "slave", true})
	}
	return all
}

// mermaidText escapes what ends a quoted text or is markup in it.
func mermaidText(lines []string, separator string) string {
	escape := strings.NewReplacer("#", "#35;", `"`, "#quot;", "&", "#amp;", "<", "#lt;", ">", "#gt;", "`", "#96;")
	return escaped(escape, lines, separator)
}

func dotText(lines []string, separator string) string {
	return escaped(strings.NewReplacer(`\`, `\\`, `"`, `\"`), lines, separator)
}

func escaped(r *strings.Replacer, lines []string, separator string) string {
	list := make([]string, len(lines))
	for i, line := range lines {
		list[i] = r.Replace(line)
	}
	return strings.Join(list, separator)
}
