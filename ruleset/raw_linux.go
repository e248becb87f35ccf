package ruleset

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/google/nftables/expr"
)

// RawExpr makes a Raw statement of expressions of github.com/google/nftables, for what the typed statements cannot say. They
// are encoded at once, in the byte order of this machine; text is what nft would print for them and is shown in plans and
// rendered files. Only on Linux, for google/nftables builds nowhere else.
//
// An expr.FlowOffload is refused: FlowAdd is what Validate can check, and ends the flowtable's name as kernels want it.
func RawExpr(family Family, text string, exprs ...expr.Any) (Statement, error) {
	if text == "" {
		return Statement{}, errors.New("a raw statement has no text; say what nft would print for it")
	}
	if len(exprs) == 0 {
		return Statement{}, fmt.Errorf("raw statement %q has no expressions", text)
	}
	raw := &Raw{Text: text}
	for i, e := range exprs {
		b, err := marshalExpr(family, e)
		if err != nil {
			return Statement{}, fmt.Errorf("raw statement %q, expression %d: %w", text, i, err)
		}
		raw.Expr = append(raw.Expr, b)
	}
	return Statement{Raw: raw}, nil
}

func marshalExpr(family Family, e expr.Any) ([]byte, error) {
	if v := reflect.ValueOf(e); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return nil, errors.New("it is nil")
	}
	if f, ok := e.(*expr.FlowOffload); ok {
		return nil, fmt.Errorf("write FlowAdd(%q) instead", f.Name)
	}
	return expr.Marshal(family.number(), e)
}
