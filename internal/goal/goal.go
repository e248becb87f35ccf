package goal

import (
	"fmt"
	"io"
	"strconv"
)

// A Goal is a number that must not be greater than its limit. It is a plain value.
type Goal struct {
	name            string
	measured, limit float64
}

// Of makes a Goal of what was measured.
func Of(name string, measured, limit float64) Goal { return Goal{name, measured, limit} }

// OK reports whether it is reached.
func (g Goal) OK() bool { return g.measured <= g.limit }

// String is "goal NAME measured M limit L ok", or "short" in place of "ok".
func (g Goal) String() string {
	verdict := "ok"
	if !g.OK() {
		verdict = "short"
	}
	return fmt.Sprintf("goal %s measured %s limit %s %s", g.name, number(g.measured), number(g.limit), verdict)
}

// number prints counts whole and the rest to three places.
func number(v float64) string {
	if v == float64(int64(v)) {
		return strconv.FormatInt(int64(v), 10)
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}

// Write prints one line a goal and reports whether all are reached.
func Write(w io.Writer, goals []Goal) bool {
	all := true
	for _, g := range goals {
		fmt.Fprintln(w, g)
		all = all && g.OK()
	}
	return all
}
