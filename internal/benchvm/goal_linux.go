package main

import (
	"fmt"
	"io"
	"strconv"
)

// A goal is a number that must not be greater than its limit.
type goal struct {
	name            string
	measured, limit float64
}

func (g goal) ok() bool { return g.measured <= g.limit }

func (g goal) String() string {
	verdict := "ok"
	if !g.ok() {
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

// writeGoals prints one line a goal and reports whether all are reached.
func writeGoals(w io.Writer, goals []goal) bool {
	all := true
	for _, g := range goals {
		fmt.Fprintln(w, g)
		all = all && g.ok()
	}
	return all
}
