package nlmsg

// Expression splits an expression of a rule, the content of one NFTA_LIST_ELEM, into its name and its attributes.
func Expression(o Order, b []byte) (name string, data []byte, err error) {
	for len(b) > 0 {
		var a Attr
		if a, b, err = NextAttr(o, b); err != nil {
			return "", nil, err
		}
		switch a.Type {
		case NFTAExprName:
			name = exprName(a)
		case NFTAExprData:
			data = a.Data
		}
	}
	return name, data, nil
}

// exprName is an expression's name, without new memory for those that rules are made of.
func exprName(a Attr) string {
	n := len(a.Data) - 1
	if n < 0 || a.Data[n] != 0 {
		return a.String()
	}
	switch string(a.Data[:n]) {
	case "meta":
		return "meta"
	case "cmp":
		return "cmp"
	case "payload":
		return "payload"
	case "ct":
		return "ct"
	case "immediate":
		return "immediate"
	case "bitwise":
		return "bitwise"
	case "lookup":
		return "lookup"
	case "counter":
		return "counter"
	}
	return a.String()
}
