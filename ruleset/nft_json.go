package ruleset

import (
	"bufio"
	"encoding/json"
	"io"

	"github.com/go-fastpath/fastpath/internal/nftvalue"
)

// A JSONConfig says what WriteNFTJSON may leave out. Nil and zero are usable: nothing. Safe for concurrent reading.
type JSONConfig struct {
	// DropFlowtableFlags writes flowtables although nft's JSON has neither `counter` nor `flags offload`. A flowtable that is
	// loaded from such a file does not count and asks no driver, also one that did before.
	DropFlowtableFlags bool
}

// WriteNFTJSON writes the tables as `nft -j -f` takes them (libnftables-json(5)), one command a line. Loading the file adds to
// what a kernel holds, as with WriteNFT; a nil config is the zero one. Devices that were left out of a flowtable are in
// Bindings alone.
//
// The JSON of nft says less than its text. What it cannot say is an error before anything is written, all of it joined, each a
// *flowtable.FieldError with its path that matches ErrNotInJSON: Raw statements, `counter` and `flags offload` of flowtables
// (config can allow these to be lost), and devices and helpers that bear the name of a protocol in rules and sets. One thing is lost
// unseen: nft before 1.0.8 reads past the comment of a table, and with it the mark of the owner.
func (r *Resolved) WriteNFTJSON(w io.Writer, config *JSONConfig) error {
	if config == nil {
		config = &JSONConfig{}
	}
	if err := r.checkJSON(config); err != nil {
		return err
	}
	j := newJSONWriter(w)
	for i := range r.spec.Tables {
		r.writeJSONTable(j, i)
	}
	return j.end()
}

// A jsonObject is one object of nft's JSON. encoding/json writes its keys in order.
type jsonObject map[string]any

// writeJSONTable writes one table in an order in which everything is there before it is named.
func (r *Resolved) writeJSONTable(j *jsonWriter, index int) {
	t := &r.spec.Tables[index]
	family := familyText(t.Family)
	j.add("table", jsonTable{family, t.Name, ownerComment(r.owner())})
	for i := range t.Flowtables {
		f := &t.Flowtables[i]
		priority, _ := f.Priority.Int32()
		j.add("flowtable", jsonFlowtable{family, t.Name, f.Name, "ingress", priority, r.listed(index, i)})
	}
	for i := range t.Sets {
		j.add("set", newJSONSet(family, t.Name, &t.Sets[i]))
	}
	for i := range t.Chains {
		j.add("chain", newJSONChain(family, t.Name, &t.Chains[i]))
	}
	for i := range t.Chains {
		c := &t.Chains[i]
		for k := range c.Rules {
			rule := &c.Rules[k]
			j.add("rule", jsonRule{family, t.Name, c.Name, rule.Comment, statementsJSON(t.Family, rule)})
		}
	}
}

type jsonTable struct {
	Family  string `json:"family"`
	Name    string `json:"name"`
	Comment string `json:"comment"`
}

type jsonFlowtable struct {
	Family  string   `json:"family"`
	Table   string   `json:"table"`
	Name    string   `json:"name"`
	Hook    string   `json:"hook"`
	Prio    int32    `json:"prio"`
	Devices []string `json:"dev,omitempty"`
}

type jsonSet struct {
	Family string   `json:"family"`
	Table  string   `json:"table"`
	Name   string   `json:"name"`
	Type   SetType  `json:"type"`
	Flags  []string `json:"flags,omitempty"`
	Elem   []any    `json:"elem,omitempty"`
}

// newJSONSet lists the elements by value, as the text does.
func newJSONSet(family, table string, s *Set) jsonSet {
	set := jsonSet{Family: family, Table: table, Name: s.Name, Type: s.Type}
	if s.Interval {
		set.Flags = []string{"interval"}
	}
	kind := kindOf(s.Type)
	for _, v := range nftvalue.SortedSpans(kind, s.Elements) {
		set.Elem = append(set.Elem, spanJSON(kind, v))
	}
	return set
}

// A jsonChain of a regular chain ends with its name.
type jsonChain struct {
	Family string    `json:"family"`
	Table  string    `json:"table"`
	Name   string    `json:"name"`
	Type   ChainType `json:"type,omitempty"`
	Hook   Hook      `json:"hook,omitempty"`
	Prio   *int32    `json:"prio,omitempty"`
	Policy Verdict   `json:"policy,omitempty"`
}

func newJSONChain(family, table string, c *Chain) jsonChain {
	chain := jsonChain{Family: family, Table: table, Name: c.Name}
	if c.Hook == "" {
		return chain
	}
	priority, _ := c.Priority.Int32()
	chain.Type, chain.Hook, chain.Prio, chain.Policy = c.Type, c.Hook, &priority, c.Policy
	if c.Type == "" {
		chain.Type = FilterChain
	}
	if c.Policy == "" {
		chain.Policy = VerdictAccept
	}
	return chain
}

type jsonRule struct {
	Family  string       `json:"family"`
	Table   string       `json:"table"`
	Chain   string       `json:"chain"`
	Comment string       `json:"comment,omitempty"`
	Expr    []jsonObject `json:"expr"`
}

// A jsonWriter writes the commands of one file, each on a line. It keeps the first error until end.
type jsonWriter struct {
	to  *bufio.Writer
	enc *json.Encoder
	err error
}

func newJSONWriter(w io.Writer) *jsonWriter {
	j := &jsonWriter{to: bufio.NewWriter(w)}
	j.enc = json.NewEncoder(j.to)
	j.enc.SetEscapeHTML(false)
	j.to.WriteString("{\"nftables\": [\n")
	j.encode(jsonObject{"metainfo": jsonObject{"json_schema_version": 1}})
	return j
}

// add writes one `add` command.
func (j *jsonWriter) add(kind string, object any) {
	j.to.WriteByte(',')
	j.encode(jsonObject{"add": jsonObject{kind: object}})
}

func (j *jsonWriter) encode(v any) {
	if err := j.enc.Encode(v); j.err == nil {
		j.err = err
	}
}

func (j *jsonWriter) end() error {
	if j.err != nil {
		return j.err
	}
	j.to.WriteString("]}\n")
	return j.to.Flush()
}
