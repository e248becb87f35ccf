package offloadtest

import "github.com/go-fastpath/fastpath/conntrack"

func isOffloaded(e *conntrack.Entry) bool { return e.Status.Path() != conntrack.Slow }

// loseTags takes [OFFLOAD] from the flows in flowtables where the imitated kernel can do that, without a word. A real one takes it
// from some. What a driver holds keeps its tag.
func (c *connections) loseTags() {
	if !c.losesTags {
		return
	}
	for i := range c.entries {
		if e := &c.entries[i]; e.Path() == conntrack.Software {
			e.Status &^= conntrack.Offload
		}
	}
}

// tellUse fills in how many references the kernel holds to each connection where nobody said it: the table's, and that of a flow. It
// matters where tags are lost alone.
func (c *connections) tellUse(entries []connection) {
	for i := range entries {
		e := &entries[i]
		if !c.losesTags || e.Use != 0 {
			continue
		}
		if e.Use = 1; e.inside {
			e.Use = 2
		}
	}
}
