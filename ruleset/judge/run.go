package judge

import (
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// An outcome is what becomes of one packet. They are bits, so that sets of them are numbers.
type outcome uint8

const (
	dropped    outcome = 1 << iota
	plain              // it goes on, and its connection is not offloaded by it
	fast               // it goes on, and its connection is offloaded
	fastLeaves         // as fast, by a flowtable that goes away
)

// maxRules is how many rules one packet may meet; a kernel would be busy with more than that.
const maxRules = 1 << 22

// maxJumps is how deep chains may jump (NFT_JUMP_STACK_SIZE).
const maxJumps = 16

// A run leads one packet through a ruleset.
type run struct {
	rules     *Ruleset
	flow      *Flow
	direction Direction
	choices   choices
	leaves    func(family byte, table, flowtable string) bool

	hook       uint32
	headers    headers
	registers  registers
	buf        [64]byte // what was read from them last
	metaMark   *word    // once a rule has set it
	ctMark     *word
	offloaded  outcome // fast or fastLeaves, once a rule has offloaded the connection
	where      where   // what decided last
	depth      int
	budget     int  // how many rules may still be looked at
	blind      bool // the ct mark may be another than the entry's
	lookingOut bool // nothing is asked, what is unknown holds: see futile
}

// A where is the rule, or the policy of the chain, that decided.
type where struct {
	chain *chain
	rule  *rule
}

// end says how a rule or a chain ended.
type end int

const (
	goOn end = iota
	breakRule
	returns
	accepted
	droppedEnd
)

// packet leads a packet through all base chains.
func (x *run) packet() outcome {
	x.metaMark, x.ctMark, x.offloaded, x.where, x.depth, x.budget = nil, nil, 0, where{}, 0, maxRules
	for _, c := range x.rules.bases {
		if c.table.family != nlmsg.FamilyInet && c.table.family != x.flow.family() || !onTheWay(c.hook) {
			continue
		}
		x.hook = c.hook
		x.headers = headersOf(x.flow.Protocol, x.flow.seen(x.direction, c.hook, c.priority))
		x.registers = registers{}
		switch x.chain(c) {
		case droppedEnd:
			return dropped
		case accepted:
		default:
			if c.drop {
				x.where = where{chain: c}
				return dropped
			}
		}
	}
	if x.offloaded != 0 {
		return x.offloaded
	}
	return plain
}

// onTheWay reports whether forwarded packets meet a hook.
func onTheWay(hook uint32) bool {
	return hook == nlmsg.HookPrerouting || hook == nlmsg.HookForward || hook == nlmsg.HookPostrouting
}

func (x *run) chain(c *chain) end {
	for i := range c.rules {
		if x.budget--; x.budget < 0 {
			return accepted
		}
		switch e := x.rule(c, &c.rules[i]); e {
		case goOn, breakRule:
		case returns:
			return goOn
		default:
			return e
		}
	}
	return goOn
}

// rule leads the packet through the steps of one rule.
func (x *run) rule(c *chain, r *rule) end {
	for i := range r.steps {
		s := &r.steps[i]
		if e := x.step(c, r, i, s); e != goOn {
			return e
		}
	}
	return goOn
}

func (x *run) step(c *chain, r *rule, i int, s *step) end {
	switch s.do {
	case compare, inRange, lookup, mayEnd:
		return x.test(c, r, i, s)
	case verdict:
		return x.verdict(c, r, s.key, s.target)
	case refuse:
		x.where = where{c, r}
		return droppedEnd
	case flowAdd:
		if x.offloaded != 0 {
			return breakRule // the connection is offloaded already
		}
		x.offloaded = fast
		if x.leaves != nil && x.leaves(c.table.family, c.table.name, s.target) {
			x.offloaded = fastLeaves
		}
		return goOn
	}
	return x.load(s)
}

func (x *run) verdict(c *chain, r *rule, code uint32, target string) end {
	switch code {
	case nlmsg.VerdictAccept:
		return accepted
	case nlmsg.VerdictDrop:
		x.where = where{c, r}
		return droppedEnd
	case nlmsg.VerdictReturn:
		return returns
	case nlmsg.VerdictJump, nlmsg.VerdictGoto:
		to := c.table.chains[target]
		if to == nil || x.depth >= maxJumps {
			return breakRule
		}
		x.depth++
		e := x.chain(to)
		x.depth--
		if e == goOn && code == nlmsg.VerdictGoto {
			return returns
		}
		return e
	case verdictContinue:
		return goOn
	case verdictBreak:
		return breakRule
	}
	return accepted // NF_QUEUE, NF_STOLEN and the like: someone else decides
}

// Verdicts that nft writes into maps (enum nft_verdicts).
const (
	verdictContinue = 0xffffffff
	verdictBreak    = 0xfffffffe
)

// futile reports whether it makes no difference how a test turns out: behind it, in its rule, another test fails or nothing is
// done.
func (x *run) futile(c *chain, r *rule, i int) bool {
	if x.lookingOut {
		return false
	}
	saved, mark, ctMark := x.registers, x.metaMark, x.ctMark
	x.lookingOut = true
	defer func() {
		x.registers, x.metaMark, x.ctMark, x.lookingOut = saved, mark, ctMark, false
	}()
	for j := i + 1; j < len(r.steps); j++ {
		switch s := &r.steps[j]; s.do {
		case verdict, refuse, flowAdd, setMeta, setCT:
			return false
		case lookup:
			if s.dreg != noRegister {
				return false
			}
			if x.step(c, r, j, s) != goOn {
				return true
			}
		default:
			if x.step(c, r, j, s) != goOn {
				return true
			}
		}
	}
	return true
}
