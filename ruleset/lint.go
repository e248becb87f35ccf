package ruleset

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-fastpath/fastpath/internal/nftvalue"
)

// A Finding is one thing that a reviewer would say of a Spec that is legal. Safe for concurrent reading.
//
// The codes are stable:
//
//	accounting             a rule tests ct packets or bytes: the kernel switches net.netfilter.nf_conntrack_acct on and leaves it so
//	announced-bit          a rule of this Spec tests or sets the bit of the ct mark that a policy announces with
//	drop-behind-offload    a drop behind flow add: offloaded connections do not come to it
//	one-device             a flowtable with one device
//	one-family             an inet table whose rules offload one family alone
//	one-way-drop           a drop in front of flow add that is about one direction: UDP is offloaded by the other, and passes it
//	unreachable-flow-add   flow add where what could be offloaded never comes
//	unreplied-udp          UDP connections come to flow add before their first answer, and stay unreplied
//	verdict-after-flow-add a verdict behind flow add in one rule: what is not offloaded does not come to it
type Finding struct {
	Code string `json:"code"`
	Path string `json:"path"` // in the Spec: "tables[0].chains[1].rules[2]", "tables[0].offload[0]"
	Text string `json:"text"` // what is the matter, one sentence without a full stop
	Fix  string `json:"fix"`  // the next step
	// Information is to know of, and in nobody's way: it is no warning of a plan, and none is refused for it.
	Information bool `json:"information,omitempty"`
}

// String is the text and the next step.
func (f Finding) String() string { return f.Text + "; " + f.Fix }

// Lint reports what is legal but likely wrong, table by table. It looks at no machine and at no other tables than
// these; of Raw statements it sees `flow add` and jumps alone. Rules that policies compile to are reported at the policy. A nil
// Spec has no findings.
func (s *Spec) Lint() []Finding {
	if s == nil {
		return nil
	}
	all := linter{spec: s, announced: s.Announced()}
	all.bits = sortedBits(all.announced)
	for i := range s.Tables {
		all.table(i)
	}
	return all.findings
}

// warnings are what to know of a ruleset before it is applied, one sentence each.
func warnings(r *Resolved) []string {
	var list []string
	for _, f := range r.declared.Lint() {
		list = append(list, f.String())
	}
	return append(list, r.unseen...)
}

// A linter gathers the findings of one Spec.
type linter struct {
	spec       *Spec
	announced  map[uint32]string
	bits       []uint32 // of announced
	accounting bool     // told already
	findings   []Finding
}

// A tableLint is one table at work.
type tableLint struct {
	*linter
	path     string
	declared *Table
	lowered  Table
	scope    *scope
	adds     [][]int // of each chain, the rules with flow add
}

func (l *linter) table(index int) {
	t := &tableLint{linter: l, path: "tables[" + strconv.Itoa(index) + "]", declared: &l.spec.Tables[index]}
	t.lowered = t.declared.lowered()
	t.scope = newScope(&t.lowered)
	t.adds = make([][]int, len(t.lowered.Chains))
	for i := range t.lowered.Chains {
		t.rules(i)
	}
	t.devices()
	t.families()
	for i, adds := range t.adds {
		if len(adds) > 0 {
			t.unreachable(i)
		}
	}
	t.drops()
	t.unreplied()
	t.oneWay()
}

func (t *tableLint) add(code, path, fix, format string, args ...any) {
	t.findings = append(t.findings, Finding{Code: code, Path: path, Text: fmt.Sprintf(format, args...), Fix: fix})
}

// name is the table as nft spells it.
func (t *tableLint) name() string { return familyText(t.declared.Family) + " " + t.declared.Name }

// chainPath is where a chain was declared.
func (t *tableLint) chainPath(chain int) string {
	if n := len(t.declared.Chains); chain >= n {
		return t.path + ".offload[" + strconv.Itoa(chain-n) + "]"
	}
	return t.path + ".chains[" + strconv.Itoa(chain) + "]"
}

// rulePath is where a rule was declared.
func (t *tableLint) rulePath(chain, rule int) string {
	if chain >= len(t.declared.Chains) {
		return t.chainPath(chain)
	}
	return t.chainPath(chain) + ".rules[" + strconv.Itoa(rule) + "]"
}

// rules looks at each rule of a chain alone.
func (t *tableLint) rules(chain int) {
	c := &t.lowered.Chains[chain]
	for i := range c.Rules {
		r := &c.Rules[i]
		t.meters(chain, i, r)
		t.announcements(chain, i, r)
		if at := r.flowAdd(); at >= 0 {
			t.adds[chain] = append(t.adds[chain], i)
			t.verdictBehind(chain, i, r.Do[at+1:])
		}
	}
}

// meters tells once for the whole Spec: there is one sysctl.
func (t *tableLint) meters(chain, rule int, r *Rule) {
	for i := 0; i < len(r.Do) && !t.accounting; i++ {
		m := r.Do[i].Match
		if m == nil || !strings.HasPrefix(string(m.Field), "ct ") {
			continue
		}
		if info, _ := infoOf(m.Field); info.kind == nftvalue.Meter {
			t.accounting = true
			t.add("accounting", t.rulePath(chain, rule), "set it yourself at boot, so that connections have counters from their start",
				"chain %s %s tests %q: the kernel sets net.netfilter.nf_conntrack_acct to 1 and leaves it so", t.name(), t.lowered.Chains[chain].Name, string(m.Field))
		}
	}
}

// announcements are for policies alone.
func (t *tableLint) announcements(chain, rule int, r *Rule) {
	if len(t.announced) == 0 || chain >= len(t.declared.Chains) && r.Offloads() {
		return
	}
	for i := range r.Do {
		var bits uint32
		switch st := &r.Do[i]; {
		case st.Match != nil && st.Match.Field == fieldCTMark:
			bits = (&Mutation{Mask: st.Match.Mask}).mask()
		case st.Set != nil && st.Set.Field == fieldCTMark:
			bits = st.Set.mask()
		}
		for _, bit := range t.bits {
			if bits&bit != 0 {
				t.add("announced-bit", t.rulePath(chain, rule), "leave the bit out of the mask, or announce with another bit",
					"chain %s %s uses bit %s of the ct mark, which announces that flowtable %s took a connection", t.name(), t.lowered.Chains[chain].Name, nftvalue.Hex(bit), t.announced[bit])
			}
		}
	}
}

func sortedBits(announced map[uint32]string) []uint32 {
	var bits []uint32
	for bit := range announced {
		bits = append(bits, bit)
	}
	slices.Sort(bits)
	return bits
}

// devices looks for flowtables that can forward nothing but between VLANs of one device.
func (t *tableLint) devices() {
	for i := range t.declared.Flowtables {
		f := &t.declared.Flowtables[i]
		if len(f.Devices) == 1 && f.Devices[0].Name != "" {
			t.add("one-device", t.path+".flowtables["+strconv.Itoa(i)+"]", "list the devices of both directions",
				"flowtable %s %s has one device, %s: packets of the other direction keep to the classic path, unless they come in by the same device", t.name(), f.Name, f.Devices[0].Name)
		}
	}
}
