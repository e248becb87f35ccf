package ruleset

// maxJumps is how deep jumps and gotos can be nested below a base chain (NFT_JUMP_STACK_SIZE in
// include/net/netfilter/nf_tables.h; nft_chain_validate answers EMLINK at the sixteenth).
const maxJumps = 15

// A scope is what the rules of one table can refer to, and from where its chains are reached.
type scope struct {
	table      *Table
	chains     map[string]int
	sets       map[string]int
	flowtables map[string]bool
	// jumps are those of each chain, in order, one for each chain that it jumps to.
	jumps [][]jump
	// bases are the base chains from which each chain is reached, the first of each type and hook; a base chain reaches itself.
	bases [][]int
}

// A jump is a statement that jumps or goes to another chain.
type jump struct{ target, rule, statement int }

func newScope(t *Table) *scope {
	s := &scope{table: t, chains: map[string]int{}, sets: map[string]int{}, flowtables: map[string]bool{}}
	for i := range t.Chains {
		if _, taken := s.chains[t.Chains[i].Name]; !taken {
			s.chains[t.Chains[i].Name] = i
		}
	}
	for i := range t.Sets {
		if _, taken := s.sets[t.Sets[i].Name]; !taken {
			s.sets[t.Sets[i].Name] = i
		}
	}
	for i := range t.Flowtables {
		s.flowtables[t.Flowtables[i].Name] = true
	}
	for i := range t.Chains {
		s.jumps = append(s.jumps, s.jumpsOf(&t.Chains[i]))
	}
	s.findBases()
	return s
}

// findBases goes down from the base chains. Those of one type and hook are alike, so that each chain is visited once for all.
func (s *scope) findBases() {
	type kind struct {
		typ  ChainType
		hook Hook
	}
	s.bases = make([][]int, len(s.table.Chains))
	seen := map[kind][]bool{}
	for i := range s.table.Chains {
		c := &s.table.Chains[i]
		if c.Hook == "" {
			continue
		}
		k := kind{c.Type, c.Hook}
		if _, ok := c.Hook.number(); !ok || !c.Type.isKnown() {
			continue // refused for that; there can be any number of kinds
		}
		if seen[k] == nil {
			seen[k] = make([]bool, len(s.table.Chains))
		}
		s.reach(i, seen[k])
	}
}

// jumpsOf lists the chains that a chain jumps to.
func (s *scope) jumpsOf(c *Chain) []jump {
	var jumps []jump
	seen := map[int]bool{}
	for i := range c.Rules {
		for j := range c.Rules[i].Do {
			for _, name := range c.Rules[i].Do[j].targets() {
				if target, ok := s.chains[name]; ok && !seen[target] {
					seen[target] = true
					jumps = append(jumps, jump{target, i, j})
				}
			}
		}
	}
	return jumps
}

// reach notes a base chain at every chain that packets come to from it and that is not seen yet.
func (s *scope) reach(base int, seen []bool) {
	if seen[base] {
		return
	}
	seen[base] = true
	for next := []int{base}; len(next) > 0; {
		chain := next[len(next)-1]
		next = next[:len(next)-1]
		s.bases[chain] = append(s.bases[chain], base)
		for _, jump := range s.jumps[chain] {
			if !seen[jump.target] {
				seen[jump.target] = true
				next = append(next, jump.target)
			}
		}
	}
}

// leadTo marks the chains that are, and those that jump to one that leads there.
func (s *scope) leadTo(is func(chain int) bool) []bool {
	leads := make([]bool, len(s.jumps))
	from := make([][]int, len(s.jumps)) // who jumps to each
	var next []int
	for i := range s.jumps {
		for _, j := range s.jumps[i] {
			from[j.target] = append(from[j.target], i)
		}
		if is(i) {
			leads[i] = true
			next = append(next, i)
		}
	}
	for len(next) > 0 {
		chain := next[len(next)-1]
		next = next[:len(next)-1]
		for _, i := range from[chain] {
			if !leads[i] {
				leads[i] = true
				next = append(next, i)
			}
		}
	}
	return leads
}

// misplaced is the first base chain that reaches a chain and does not suit; nil if all suit, or none reaches it: the kernel
// checks chains only from base chains.
func (s *scope) misplaced(chain int, suits func(*Chain) bool) *Chain {
	for _, base := range s.bases[chain] {
		if c := &s.table.Chains[base]; !suits(c) {
			return c
		}
	}
	return nil
}

// A walk goes down the jumps of a table, without recursion: a hostile Spec can have any number of chains in a row.
type walk struct {
	// depth is how deep jumps are nested below a chain; it means nothing if there are loops.
	depth []int
	// loops are the jumps that lead back to a chain on the way.
	loops []loop

	state []walkState
	turn  []int // how many jumps of a chain were followed
}

// A loop is the jump that closes it, and the chain that the jump stands in.
type loop struct {
	chain int
	jump
}

type walkState int

const (
	unseen walkState = iota
	onTheWay
	finished
)

func (s *scope) walk() *walk {
	n := len(s.jumps)
	w := &walk{depth: make([]int, n), state: make([]walkState, n), turn: make([]int, n)}
	for start := range s.jumps {
		if w.state[start] == unseen {
			w.from(start, s.jumps)
		}
	}
	return w
}

func (w *walk) from(start int, jumps [][]jump) {
	w.state[start] = onTheWay
	for way := []int{start}; len(way) > 0; {
		chain := way[len(way)-1]
		if w.turn[chain] == len(jumps[chain]) {
			for _, jump := range jumps[chain] {
				w.depth[chain] = max(w.depth[chain], w.depth[jump.target]+1)
			}
			w.state[chain] = finished
			way = way[:len(way)-1]
			continue
		}
		jump := jumps[chain][w.turn[chain]]
		w.turn[chain]++
		switch w.state[jump.target] {
		case unseen:
			w.state[jump.target] = onTheWay
			way = append(way, jump.target)
		case onTheWay:
			w.loops = append(w.loops, loop{chain, jump})
		}
	}
}
