package goal_test

import (
	"os"

	"github.com/go-fastpath/fastpath/internal/goal"
)

// One goal that is short makes the whole run short.
func ExampleWrite() {
	reached := goal.Write(os.Stdout, []goal.Goal{goal.Of("apply-vs-nft", 0.58125, 0.7), goal.Of("messages", 2, 1)})
	if !reached {
		os.Stdout.WriteString("short\n")
	}
	// Output:
	// goal apply-vs-nft measured 0.581 limit 0.700 ok
	// goal messages measured 2 limit 1 short
	// short
}
