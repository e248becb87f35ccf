package nlmsg

// AttrAt names the attribute at an offset into a message, counted from the message's header as extended acks count
// (NLMSGERR_ATTR_OFFS): the path of names, and the value if it is not a nest. It is "" where there is no attribute.
func AttrAt(o Order, message []byte, offset uint32) string {
	m, _, err := NextMessage(o, message)
	if err != nil {
		return ""
	}
	_, s := messageSpace(m.Type)
	_, _, attrs, err := Netfilter(m.Data)
	if err != nil || s == spaceUnknown || offset < headerLen+netfilterLen {
		return ""
	}
	return attrAt(o, s, attrs, int64(offset)-headerLen-netfilterLen)
}

// attrAt looks for the attribute that covers b[at].
func attrAt(o Order, s space, b []byte, at int64) string {
	expr := ""
	for len(b) > 0 {
		a, rest, err := NextAttr(o, b)
		if err != nil {
			return ""
		}
		if s == spaceExpr && a.Type == NFTAExprName {
			expr = a.String()
		}
		size := int64(len(b) - len(rest))
		if at < size {
			i := s.attr(a.Type, expr)
			return attrName(i, a) + insideOf(o, i, a, at-attrLen)
		}
		b, at = rest, at-size
	}
	return ""
}

// insideOf goes on into a nest; at is counted from its data and negative if the nest itself is meant.
func insideOf(o Order, i attrInfo, a Attr, at int64) string {
	if i.form != asNest {
		if v := i.form.value(a.Data); v != "" {
			return " " + v
		}
		return ""
	}
	if at >= 0 {
		if inner := attrAt(o, i.inner, a.Data, at); inner != "" {
			return "." + inner
		}
	}
	return ""
}
