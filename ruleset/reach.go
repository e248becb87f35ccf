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
	// jumps are the chains that each chain jumps to, in order, each once.
	jumps [][]int
	// bases are the base chains from which each chain is reached; a base chain reaches itself.
	bases [][]int
}

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
	s.bases = make([][]int, len(t.Chains))
	for i := range t.Chains {
		if t.Chains[i].Hook != "" {
			s.reach(i)
		}
	}
	return s
}

// jumpsOf lists the chains that a chain jumps to.
func (s *scope) jumpsOf(c *Chain) []int {
	var targets []int
	seen := map[int]bool{}
	for i := range c.Rules {
		for j := range c.Rules[i].Do {
			name := c.Rules[i].Do[j].target()
			if name == "" {
				continue
			}
			if target, ok := s.chains[name]; ok && !seen[target] {
				seen[target] = true
				targets = append(targets, target)
			}
		}
	}
	return targets
}

// target is the chain that a statement jumps or goes to, or "".
func (s *Statement) target() string {
	if s.Jump != "" {
		return s.Jump
	}
	return s.Goto
}

// reach notes a base chain at every chain that packets come to from it.
func (s *scope) reach(base int) {
	seen := make([]bool, len(s.jumps))
	seen[base] = true
	for next := []int{base}; len(next) > 0; {
		chain := next[len(next)-1]
		next = next[:len(next)-1]
		s.bases[chain] = append(s.bases[chain], base)
		for _, target := range s.jumps[chain] {
			if !seen[target] {
				seen[target] = true
				next = append(next, target)
			}
		}
	}
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
	// loops are the jumps that lead back to a chain on the way, as pairs of chains.
	loops [][2]int

	state []walkState
	turn  []int // how many jumps of a chain were followed
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

func (w *walk) from(start int, jumps [][]int) {
	w.state[start] = onTheWay
	for way := []int{start}; len(way) > 0; {
		chain := way[len(way)-1]
		if w.turn[chain] == len(jumps[chain]) {
			for _, target := range jumps[chain] {
				w.depth[chain] = max(w.depth[chain], w.depth[target]+1)
			}
			w.state[chain] = finished
			way = way[:len(way)-1]
			continue
		}
		target := jumps[chain][w.turn[chain]]
		w.turn[chain]++
		switch w.state[target] {
		case unseen:
			w.state[target] = onTheWay
			way = append(way, target)
		case onTheWay:
			w.loops = append(w.loops, [2]int{chain, target})
		}
	}
}
