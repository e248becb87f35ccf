package ruleset

import (
	"fmt"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// What a rule can hold, and what may come of it without a look at the bytes.
const (
	// maxExpressions is how many expressions a kernel takes in one rule (NFT_RULE_MAXEXPRS, net/netfilter/nf_tables_api.c,
	// which answers EINVAL).
	maxExpressions = 128
	// perStatement is the most that comes of one statement that is not Raw: two tests of protocols, load, mask, two comparisons.
	perStatement = 8
	// smallRaw is so small that the rule's message has room for it.
	smallRaw = 1 << 14
)

// checkSize refuses a rule of more expressions than a kernel takes, or that its message has no room for. It encodes only rules
// that could be too large. Mistakes that keep it from being encoded are told elsewhere.
func checkSize(family Family, r *Rule) error {
	most, raw := 0, 0
	for i := range r.Do {
		if r.Do[i].Raw == nil {
			most += perStatement
			continue
		}
		most += len(r.Do[i].Raw.Expr)
		for _, e := range r.Do[i].Raw.Expr {
			raw += len(e)
		}
	}
	if most <= maxExpressions && raw <= smallRaw {
		return nil
	}
	e := newEncoder(nlmsg.Native(), nil)
	e.addRule(&Operation{Family: family}, r)
	if e.exprs > maxExpressions {
		return fmt.Errorf("the rule compiles to %d expressions, and the kernel takes at most %d (EINVAL): split it into several rules", e.exprs, maxExpressions)
	}
	if err := e.b.Err(); err != nil {
		return fmt.Errorf("the rule is too large for its message: %w: split it into several rules", err)
	}
	return nil
}
