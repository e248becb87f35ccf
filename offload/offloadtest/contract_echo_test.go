package offloadtest

import "github.com/go-fastpath/fastpath/internal/nlmsg"

// echoRows ask the kernel to send back what it made, with handles.
func echoRows() []row {
	const ask = nlmsg.FlagEcho
	some := func(b *batch) { // chain c 1, set s 2, rules 3 and 4, set __set0 5, rule 6
		newTable(b)
		newChain(b, "c")
		newSet(b, "s", create, 1, 0)
		elements(b, addElems, create, "s", 0, elem("aaaa"), elem("bbbb"))
		newRule(b, "c", appended, exprs(counter()))
		newRule(b, "c", appended, exprs(counter()))
		newSet(b, "__set%d", create, 2, nlmsg.SetAnonymous|nlmsg.SetConstant)
		elements(b, addElems, create, "__set%d", 2, elem("aaaa"), elem("bbbb"))
		newRule(b, "c", appended, exprs(loadMark(), lookup("__set%d", 2)))
	}
	other := exprs(loadMark())
	noted := raw(nlmsg.NFTARuleUserdata, "\x00\x05note\x00")
	echo := func(name string, do func(*batch)) row { return same("echo: "+name, "ok | ok", some, do) }
	return []row{
		echo("a rule at the end", func(b *batch) { newRule(b, "c", appended|ask, other, noted) }),
		echo("a rule at the beginning", func(b *batch) { newRule(b, "c", create|ask, other) }),
		echo("a rule before another", func(b *batch) { newRule(b, "c", create|ask, other, rulePosition(4)) }),
		echo("a rule after another", func(b *batch) { newRule(b, "c", appended|ask, other, rulePosition(3)) }),
		echo("two rules, one asks", func(b *batch) {
			newRule(b, "c", create|ask, other, rulePosition(4))
			newRule(b, "c", create, other, rulePosition(4), noted)
		}),
		echo("a rule replaced", func(b *batch) { newRule(b, "c", nlmsg.FlagReplace|ask, other, ruleHandle(3), noted) }),
		echo("a rule with a set replaced", func(b *batch) { newRule(b, "c", nlmsg.FlagReplace|ask, other, ruleHandle(6), noted) }),
		echo("a rule with a set", func(b *batch) {
			newSet(b, "__set%d", create|ask, 5, nlmsg.SetAnonymous|nlmsg.SetConstant)
			elements(b, addElems, create|ask, "__set%d", 5, elem("bbbb"), elem("cccc"))
			newRule(b, "c", appended|ask, exprs(loadMark(), lookup("__set%d", 5)))
		}),
		echo("a set with intervals", func(b *batch) {
			newSet(b, "__set%d", create|ask, 5, nlmsg.SetAnonymous|nlmsg.SetConstant|nlmsg.SetInterval)
			elements(b, addElems, create|ask, "__set%d", 5, end(zero), elem("bbbb"), end("cccc"), open("dddd"))
			newRule(b, "c", appended|ask, exprs(loadMark(), lookup("__set%d", 5)))
		}),
		echo("elements added", func(b *batch) { elements(b, addElems, create|ask, "s", 0, elem("aaaa"), elem("dddd"), elem("cccc")) }),
		echo("elements deleted", func(b *batch) { elements(b, delElems, ask, "s", 0, elem("aaaa"), elem("bbbb")) }),
		echo("elements deleted and added", func(b *batch) {
			elements(b, delElems, ask, "s", 0, elem("aaaa"))
			elements(b, addElems, create|ask, "s", 0, elem("cccc"))
		}),
		echo("two rules, the second asks", func(b *batch) {
			newRule(b, "c", create, other, rulePosition(4))
			newRule(b, "c", create|ask, other, rulePosition(4), noted)
		}),
		echo("beside one that goes", func(b *batch) {
			newRule(b, "c", appended|ask, other, rulePosition(3))
			delRule(b, "c", ruleHandle(3))
			newRule(b, "c", create|ask, other, rulePosition(4))
		}),
		echo("a chain flushed and filled", func(b *batch) {
			b.inet(nlmsg.NFTMsgDelRule, ask, str(1, "t"), str(2, "c"))
			newRule(b, "c", appended|ask, other)
		}),
		echo("a chain deleted", func(b *batch) { b.inet(nlmsg.NFTMsgDelRule, ask, str(1, "t"), str(2, "c")); delChain(b, "c") }),
		echo("a set deleted", func(b *batch) { b.inet(nlmsg.NFTMsgDelSet, ask, str(1, "t"), str(2, "s")) }),
		echo("a set flushed", func(b *batch) { b.inet(delElems, 0, str(1, "t"), str(2, "s")) }),
		echo("nothing", func(b *batch) { elements(b, addElems, create|ask, "s", 0, elem("aaaa")) }),
		echo("a rule deleted", func(b *batch) { b.inet(nlmsg.NFTMsgDelRule, ask, str(1, "t"), str(2, "c"), ruleHandle(3)) }),
		echo("a rule made and replaced", func(b *batch) {
			newRule(b, "c", appended|ask, other)
			newRule(b, "c", nlmsg.FlagReplace|ask, exprs(counter()), ruleHandle(7))
		}),
	}
}
