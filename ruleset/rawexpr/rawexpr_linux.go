package rawexpr

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/google/nftables/expr"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/ruleset"
)

// Statement makes a Raw statement of expressions, for what the typed statements cannot say, in a table of the
// family. They are encoded at once, in the byte order of this machine; text is what nft would print for them
// and is shown in plans and rendered files.
//
// An expr.FlowOffload is refused: ruleset.FlowAdd is what Validate can check, and ends the flowtable's name as
// kernels want it.
func Statement(family ruleset.Family, text string, exprs ...expr.Any) (ruleset.Statement, error) {
	if text == "" {
		return ruleset.Statement{}, errors.New("a raw statement has no text; say what nft would print for it")
	}
	if len(exprs) == 0 {
		return ruleset.Statement{}, fmt.Errorf("raw statement %q has no expressions", text)
	}
	raw := &ruleset.Raw{Text: text}
	for i, e := range exprs {
		b, err := marshal(family, e)
		if err != nil {
			return ruleset.Statement{}, fmt.Errorf("raw statement %q, expression %d: %w", text, i, err)
		}
		raw.Expr = append(raw.Expr, b)
	}
	return ruleset.Statement{Raw: raw}, nil
}

func marshal(family ruleset.Family, e expr.Any) ([]byte, error) {
	if v := reflect.ValueOf(e); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return nil, errors.New("it is nil")
	}
	if f, ok := e.(*expr.FlowOffload); ok {
		return nil, fmt.Errorf("write FlowAdd(%q) instead", f.Name)
	}
	return expr.Marshal(number(family), e)
}

// number is the family as google/nftables wants it: some expressions differ by it. A Spec has tables of these alone.
func number(f ruleset.Family) byte {
	switch f {
	case ruleset.IP:
		return nlmsg.FamilyIPv4
	case ruleset.IP6:
		return nlmsg.FamilyIPv6
	}
	return nlmsg.FamilyInet
}
