package ruleset_test

import (
	"context"
	"fmt"
	"iter"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/ruleset"
)

// An anyKernel is where plans are tried: an imitated kernel or a real one.
type anyKernel interface {
	Dump(ctx context.Context) iter.Seq2[ruleset.Message, error]
	Commit(ctx context.Context, b *ruleset.Batch) ([]ruleset.Message, error)
}

// read is what a machine holds, and the messages that say so.
func read(t testing.TB, k anyKernel) (*ruleset.Loaded, []ruleset.Message) {
	t.Helper()
	var list []ruleset.Message
	for m, err := range k.Dump(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, m)
	}
	l, err := ruleset.Load("", func(yield func(ruleset.Message, error) bool) {
		for _, m := range list {
			if !yield(m, nil) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return l, list
}

// move plans the way to want, goes it, and demands that nothing is left to do and that the machine holds what it would hold if it
// had held nothing before. Edited says that someone else changed something before.
func move(t testing.TB, k anyKernel, want *ruleset.Resolved, fresh string, edited bool) {
	t.Helper()
	have, before := read(t, k)
	plan, err := ruleset.Diff(have, want)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ruleset.Diff(have, want); err != nil || again.String() != plan.String() {
		t.Fatalf("the same input gives two plans:\n%s\n%s%v", plan, again, err)
	}
	var followed *ruleset.Loaded
	if !plan.Empty() {
		batch, err := plan.Batch(nil)
		if err != nil {
			t.Fatal(err)
		}
		echoes, err := k.Commit(t.Context(), batch)
		if err != nil {
			t.Fatalf("%v\nin\n%s\non\n%s", err, plan, state(t, before))
		}
		followed, _ = plan.After(have, echoes, have.Generation()+1)
	}
	held, after := read(t, k)
	if followed != nil {
		checkFollowed(t, plan, followed, held, want)
	}
	rest, err := ruleset.Diff(held, want)
	if err != nil {
		t.Fatal(err)
	}
	if !rest.Empty() {
		t.Fatalf("after\n%s\nis left\n%s\nfrom\n%s\nto\n%s", plan, rest, state(t, before), state(t, after))
	}
	if got := state(t, after); got != fresh {
		t.Fatalf("after\n%s\nthere is\n%s\n%s", plan, firstDifference(fresh, got), got)
	}
	checkFlows(t, plan, have, held)
	if !edited { // rules of others are not sorted in with as much care
		checkKept(t, plan, have, held)
	}
}

// checkFollowed demands that what the echoes told is what a dump tells.
func checkFollowed(t testing.TB, plan *ruleset.Plan, followed, held *ruleset.Loaded, want *ruleset.Resolved) {
	t.Helper()
	rest, err := ruleset.Diff(followed, want)
	if err != nil {
		t.Fatal(err)
	}
	if !rest.Empty() || !rest.SameGround(held) || followed.Generation() != held.Generation() {
		t.Fatalf("generation %d, not %d; what the echoes told of\n%s\nis not what is there; left is\n%s", followed.Generation(), held.Generation(), plan, rest)
	}
	if got, there := followed.Chains(), held.Chains(); !reflect.DeepEqual(got, there) {
		t.Fatalf("after\n%s\nthe echoes tell of the chains\n%v\nand a dump of\n%v", plan, got, there)
	}
	if got, there := followed.Flowtables(), held.Flowtables(); !reflect.DeepEqual(got, there) {
		t.Fatalf("after\n%s\nthe echoes tell of the flowtables\n%v\nand a dump of\n%v", plan, got, there)
	}
	var list []ruleset.Message
	for m := range followed.Messages() {
		list = append(list, m)
	}
	var dump []ruleset.Message
	for m := range held.Messages() {
		dump = append(dump, m)
	}
	if got, there := state(t, list), state(t, dump); got != there {
		t.Fatalf("the messages of what was followed differ from the dump after\n%s\n%s", plan, firstDifference(there, got))
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("line %d is\n%s\nand not\n%s", i, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines and not %d", len(g), len(w))
}

// What dumps tell that a declaration does not. Kernels differ in the place of NFTA_BYTEORDER_LEN.
var told = regexp.MustCompile(`(?m)^ +(NFTA_\w+_HANDLE|NFTA_RULE_POSITION|NFTA_RULE_USERDATA|NFTA_\w+_USE|NFTA_COUNTER_\w+|NFTA_BYTEORDER_LEN|attribute (19|20)|NFTA_SET_DESC_SIZE) .*\n`)

// state is what a dump says about our tables, in one order: without handles, counts and identities, and with anonymous sets as parts
// of their rules.
func state(t testing.TB, messages []ruleset.Message) string {
	t.Helper()
	ours := map[string]bool{}
	elements := map[string][]string{} // by table and set
	for _, m := range messages {
		switch m.Type & 0xff {
		case nlmsg.NFTMsgNewTable:
			ours[tableOf(t, m)] = strings.Contains(string(m.Data), "managed by fastpath\x00")
		case nlmsg.NFTMsgNewSetElem:
			key := tableOf(t, m) + " " + attribute(t, m, nlmsg.NFTASetElemListSet)
			elements[key] = append(elements[key], elementTexts(t, m)...)
		}
	}
	number := map[string]int{} // of rules in a chain
	var blocks []string
	for _, m := range messages {
		table := tableOf(t, m)
		if m.Type&0xff == nlmsg.NFTMsgNewGen || m.Type&0xff == nlmsg.NFTMsgNewSetElem || !ours[table] {
			continue
		}
		title, text := fmt.Sprintf("%s %d ", table, m.Type&0xff), told.ReplaceAllString(textOf(t, m), "")
		switch m.Type & 0xff {
		case nlmsg.NFTMsgNewRule:
			chain := attribute(t, m, nlmsg.NFTARuleChain)
			title += fmt.Sprintf("%s %03d %q", chain, number[table+" "+chain], comment(t, m))
			number[table+" "+chain]++
			text = regexp.MustCompile(`"__set\d+"`).ReplaceAllStringFunc(text, func(name string) string {
				return "{\n" + sorted(elements[table+" "+strings.Trim(name, `"`)]) + "}"
			})
		case nlmsg.NFTMsgNewSet:
			name := attribute(t, m, nlmsg.NFTASetName)
			if strings.HasPrefix(name, "__set") {
				continue
			}
			title += name
			text += sorted(elements[table+" "+name])
		case nlmsg.NFTMsgNewChain:
			title += attribute(t, m, nlmsg.NFTAChainName)
		case nlmsg.NFTMsgNewFlowtable:
			lines := strings.SplitAfter(text, "\n")
			slices.Sort(lines) // the order of devices means nothing
			title += attribute(t, m, nlmsg.NFTAFlowtableName)
			text = strings.Join(lines, "")
		}
		blocks = append(blocks, title+"\n"+text)
	}
	slices.Sort(blocks)
	return strings.Join(blocks, "")
}

func sorted(list []string) string {
	slices.Sort(list)
	return strings.Join(list, "")
}

func eachAttr(t testing.TB, m ruleset.Message, visit func(nlmsg.Attr)) {
	t.Helper()
	err := nlmsg.EachAttr(nlmsg.Native(), m.Data[4:], func(a nlmsg.Attr) error {
		visit(a)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func attribute(t testing.TB, m ruleset.Message, typ uint16) (text string) {
	t.Helper()
	eachAttr(t, m, func(a nlmsg.Attr) {
		if a.Type == typ {
			text = a.String()
		}
	})
	return text
}

// tableOf is the table that a message is about: its name is the attribute 1 of all of them.
func tableOf(t testing.TB, m ruleset.Message) string {
	return fmt.Sprintf("%d %s", m.Data[0], attribute(t, m, nlmsg.NFTATableName))
}

// comment is the one in a rule's user data.
func comment(t testing.TB, m ruleset.Message) (text string) {
	eachAttr(t, m, func(a nlmsg.Attr) {
		for u := a.Data; a.Type == nlmsg.NFTARuleUserdata && len(u) >= 2; u = u[2+int(u[1]):] {
			if u[0] == nlmsg.UdataRuleComment {
				text = string(u[2 : 2+int(u[1])])
			}
		}
	})
	return text
}

func textOf(t testing.TB, m ruleset.Message) string {
	b := nlmsg.NewBuilder(nlmsg.Native(), nil)
	b.Begin(m.Type, 0, 0)
	b.Raw([]byte{m.Data[0], 0, 0, 0})
	b.Raw(m.Data[4:])
	b.End()
	var text strings.Builder
	if err := nlmsg.WriteText(&text, nlmsg.Native(), b.Bytes()); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// elementTexts leave the end of the gap before the first interval out: kernels and nft put no meaning to it.
func elementTexts(t testing.TB, m ruleset.Message) (list []string) {
	each := func(b []byte, visit func(nlmsg.Attr) error) {
		if err := nlmsg.EachAttr(nlmsg.Native(), b, visit); err != nil {
			t.Fatal(err)
		}
	}
	eachAttr(t, m, func(a nlmsg.Attr) {
		if a.Type != nlmsg.NFTASetElemListElements {
			return
		}
		each(a.Data, func(e nlmsg.Attr) error {
			var key, rest string
			each(e.Data, func(part nlmsg.Attr) error {
				if part.Type == nlmsg.NFTASetElemKey {
					key = fmt.Sprintf("%x", part.Data[4:])
				} else {
					rest += fmt.Sprintf(" %d:%x", part.Type, part.Data)
				}
				return nil
			})
			if rest == "" || strings.Trim(key, "0") != "" {
				list = append(list, "    "+key+rest+"\n")
			}
			return nil
		})
	})
	return list
}

// checkFlows demands that what a plan does not call disruptive leaves flowtables and their devices alone.
func checkFlows(t testing.TB, plan *ruleset.Plan, before, after *ruleset.Loaded) {
	t.Helper()
	if !plan.Disruptive() {
		now := map[string]ruleset.LoadedFlowtable{}
		key := func(f ruleset.LoadedFlowtable) string { return fmt.Sprint(f.Family, f.Table, f.Handle) }
		for _, f := range after.Flowtables() {
			now[key(f)] = f
		}
		for _, f := range before.Flowtables() {
			for _, d := range f.Devices {
				if !slices.ContainsFunc(now[key(f)].Devices, func(x flowtable.Selector) bool { return x.String() == d.String() }) {
					t.Fatalf("the plan says nothing of flowtable %s that loses %s:\n%s", f.Name, d, plan)
				}
			}
		}
	}
}

// checkKept demands that rules which are on both sides in the same order keep their handles.
func checkKept(t testing.TB, plan *ruleset.Plan, before, after *ruleset.Loaded) {
	t.Helper()
	for _, op := range plan.Operations() {
		if op.Verb == ruleset.VerbDelete && op.Kind != ruleset.KindRule && op.Kind != ruleset.KindElement || op.Kind == ruleset.KindTable {
			return // rules may go with what they refer to
		}
	}
	old, now := chains(before), chains(after)
	for name, rules := range old {
		kept := 0
		for _, r := range rules {
			if slices.ContainsFunc(now[name], func(n placed) bool { return n == r }) {
				kept++
			}
		}
		if common := common(rules, now[name]); kept < common {
			t.Fatalf("chain %s keeps %d rules of the %d that are the same before and after:\n%s", name, kept, common, plan)
		}
	}
}

// A placed rule is what it does and under which handle.
type placed struct {
	handle uint64
	body   string
}

func chains(l *ruleset.Loaded) map[string][]placed {
	m := map[string][]placed{}
	for _, r := range l.Rules() {
		body := regexp.MustCompile(`__set\d+`).ReplaceAllString(string(r.Expressions), "set") + r.Comment
		if strings.Contains(body, "set") {
			body = fmt.Sprint(r.Handle) // what is in the set is not seen here
		}
		name := string(r.Family) + " " + r.Table + " " + r.Chain
		m[name] = append(m[name], placed{r.Handle, body})
	}
	return m
}

// common is the length of the longest list of rules that is in both, in their order.
func common(a, b []placed) int {
	best := make([]int, len(b)+1)
	for i := range a {
		last := 0
		for j := range b {
			here := best[j+1]
			if a[i].body == b[j].body {
				best[j+1] = last + 1
			}
			best[j+1] = max(best[j+1], best[j])
			last = here
		}
	}
	return best[len(b)]
}
