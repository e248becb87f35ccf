package conntrack

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ended counts the ends that were told, and requires that each was of another connection.
func ended(t *testing.T, changes []Change) (n int) {
	t.Helper()
	m := newMirror()
	for _, c := range changes {
		require.NoError(t, m.apply(c))
		if c.Kind == Destroyed {
			n++
		}
	}
	require.Empty(t, m.live)
	return n
}

// All of the connections end without a word, and the memory of the last one's chunk is given back while the flows are walked: in the look at what
// a reading did not have, in the look at parked flows, and after an overrun.
func TestChangesAllVanishAtOnce(t *testing.T) {
	noop := func(*script) {}
	gone := func(s *script) { s.table = nil }
	leave := func(s *script) {
		for i := range s.table {
			s.table[i].Mark = 2
		}
	}
	overrun := func(s *script) { s.table = nil; s.queue = append(s.queue, ErrOverrun) }
	for name, steps := range map[string][]func(*script){
		"a reading":    {gone, noop, noop},
		"parked flows": {leave, noop, gone, noop, noop, noop, noop, noop, noop, noop, noop, noop},
		"an overrun":   {overrun, noop, noop},
	} {
		for _, flows := range []int{5, 10, 11, 12, 13} {
			t.Run(fmt.Sprintf("%s of %d", name, flows), func(t *testing.T) {
				s := &script{limits: tinyLimits(), steps: slices.Clone(steps)}
				for n := range flows {
					e := flowNumber(n, slow, 10)
					e.Mark = 1
					s.table = append(s.table, e)
				}
				for n := range 5 * flows { // others, so that flows are looked up one by one
					if name == "parked flows" {
						s.table = append(s.table, flowNumber(100+n, slow, 1))
					}
				}
				got, err := s.play(Match{Mark: 1})
				require.NoError(t, err)
				assert.Equal(t, flows, ended(t, got))
			})
		}
	}
}

// The same at the usual size, where memory is given back beyond 16,384 flows.
func TestChangesVeryManyVanishAtOnce(t *testing.T) {
	flows := chunkSize*usualLimits().keepChunks + 300
	s := &script{}
	for n := range flows {
		s.table = append(s.table, flowNumber(n, slow, 10))
	}
	left := slices.Clone(s.table)
	noop := func(*script) {}
	s.steps = []func(*script){func(s *script) { s.table = nil }, noop, noop}
	w, err := Open(t.Context(), &Config{Source: lending{s}})
	require.NoError(t, err)
	gone := 0
	for c, err := range w.Changes(t.Context(), Match{}) {
		if err != nil {
			require.ErrorIs(t, err, errScriptEnd)
			break
		}
		if c.Kind == Destroyed {
			gone++
		}
	}
	assert.Equal(t, len(left), gone)
}

// A lending is a script that gives its table away entry by entry, without a search for each.
type lending struct{ *script }

func (l lending) Dump(context.Context, Match) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for _, e := range l.table {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// A walk goes on whatever happens to the table meanwhile, and yields what it has to.
func TestTableChangesDuringAWalk(t *testing.T) {
	for _, chunk := range []int{1, 2, 8} {
		for start := range uint32(12) {
			for _, during := range []string{"nothing", "remove it", "remove all", "empty", "add"} {
				table := newTable[ledgerFlow](chunk)
				keys := map[packedKey]bool{}
				add := func(n int) {
					e := flowNumber(n, slow, 0)
					k := e.Key()
					p := packKey(&k)
					table.add(&p)
					keys[p] = true
				}
				for n := range 9 {
					add(n)
				}
				seen := map[packedKey]bool{}
				for _, f := range table.from(start) {
					require.False(t, seen[f.key], "twice")
					seen[f.key] = true
					switch during {
					case "remove it":
						table.remove(f)
					case "remove all", "empty":
						for k := range keys {
							if f := table.get(&k); f != nil {
								table.remove(f)
							}
						}
						if during == "empty" {
							table.empty()
						}
					case "add":
						if len(seen) < 5 {
							add(100 * len(seen))
						}
					}
				}
				switch during {
				case "remove all", "empty":
					assert.Len(t, seen, 1)
					assert.Zero(t, table.count)
				case "add":
					assert.GreaterOrEqual(t, len(seen), 9)
				default:
					assert.Len(t, seen, 9)
				}
			}
		}
	}
}
