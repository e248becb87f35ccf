package nlmsg

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// WriteText writes netlink messages in readable form, one line a message and one a attribute, nested ones indented. Nothing
// but padding is left out: what this package has no name for is written as its number and its bytes in hexadecimal.
func WriteText(w io.Writer, o Order, b []byte) error {
	t := &printer{w: bufio.NewWriter(w), o: o}
	for len(b) > 0 {
		m, rest, err := NextMessage(o, b)
		if err != nil {
			t.w.Flush()
			return err
		}
		t.message(m)
		b = rest
	}
	return t.w.Flush()
}

// A printer writes messages as text. Write errors stay in the buffered writer until Flush.
type printer struct {
	w *bufio.Writer
	o Order
}

func (t *printer) message(m Message) {
	name, s := messageSpace(m.Type)
	if name == "" {
		name = fmt.Sprintf("type %#x", m.Type)
	}
	fmt.Fprintf(t.w, "#%d %s", m.Seq, name)
	family, resID, attrs, err := Netfilter(m.Data)
	if err != nil || s == spaceUnknown {
		fmt.Fprintf(t.w, "%s %x\n", flagNames(m), m.Data)
		return
	}
	of := "unspec"
	if family != FamilyUnspec {
		of = FamilyName(family)
	}
	fmt.Fprintf(t.w, " %s%s", of, flagNames(m))
	if resID != 0 {
		fmt.Fprintf(t.w, " res_id %d", resID)
	}
	if version := m.Data[1]; version != NFNetlinkV0 {
		fmt.Fprintf(t.w, " version %d", version)
	}
	fmt.Fprintln(t.w)
	t.attrs(s, attrs, 1)
}

// attrs writes one level. What does not walk as attributes is written as bytes.
func (t *printer) attrs(s space, b []byte, depth int) {
	expr := ""
	for len(b) > 0 {
		a, rest, err := NextAttr(t.o, b)
		if err != nil {
			fmt.Fprintf(t.w, "%s%x not an attribute: %v\n", strings.Repeat("  ", depth), b, err)
			return
		}
		b = rest
		if s == spaceExpr && a.Type == NFTAExprName {
			expr = a.String()
		}
		t.attr(s.attr(a.Type, expr), a, depth)
	}
}

func (t *printer) attr(i attrInfo, a Attr, depth int) {
	fmt.Fprintf(t.w, "%s%s", strings.Repeat("  ", depth), attrName(i, a))
	if i.form == asNest {
		if !a.Nested {
			fmt.Fprint(t.w, " (not marked nested)")
		}
		fmt.Fprintln(t.w)
		t.attrs(i.inner, a.Data, depth+1)
		return
	}
	if a.Nested {
		fmt.Fprint(t.w, " (marked nested)")
	}
	if v := i.form.value(a.Data); v != "" {
		fmt.Fprintf(t.w, " %s", v)
	}
	fmt.Fprintln(t.w)
}

func attrName(i attrInfo, a Attr) string {
	if i.name == "" {
		return "attribute " + strconv.Itoa(int(a.Type))
	}
	return i.name
}

// value is the data in the form, or in hexadecimal if its length does not fit.
func (f form) value(b []byte) string {
	switch {
	case f == asString:
		return stringValue(b)
	case f == asU8 && len(b) == 1:
		return strconv.Itoa(int(b[0]))
	case f == asU16 && len(b) == 2:
		return strconv.Itoa(int(binary.BigEndian.Uint16(b)))
	case f == asU32 && len(b) == 4:
		return strconv.FormatUint(uint64(binary.BigEndian.Uint32(b)), 10)
	case f == asS32 && len(b) == 4:
		return strconv.Itoa(int(int32(binary.BigEndian.Uint32(b))))
	case f == asX32 && len(b) == 4:
		return "0x" + strconv.FormatUint(uint64(binary.BigEndian.Uint32(b)), 16)
	case f == asU64 && len(b) == 8:
		return strconv.FormatUint(binary.BigEndian.Uint64(b), 10)
	}
	return bytesValue(b)
}

// stringValue quotes a string that ends in its only NUL, and says so of any other.
func stringValue(b []byte) string {
	if n := len(b) - 1; n >= 0 && b[n] == 0 {
		return strconv.Quote(string(b[:n]))
	}
	return strconv.Quote(string(b)) + " without NUL"
}

// bytesValue is hexadecimal, with the text in it, if there is some, behind.
func bytesValue(b []byte) string {
	s := fmt.Sprintf("%x", b)
	if text := printable(b); len(text) > 2 {
		s += " " + strconv.Quote(text)
	}
	return s
}

// printable is the longest run of printable ASCII.
func printable(b []byte) string {
	best, start := "", 0
	for i := 0; i <= len(b); i++ {
		if i < len(b) && b[i] >= ' ' && b[i] < 0x7f {
			continue
		}
		if i-start > len(best) {
			best = string(b[start:i])
		}
		start = i + 1
	}
	return best
}

// FamilyName is a family as nft names it.
func FamilyName(f byte) string {
	switch f {
	case FamilyInet:
		return "inet"
	case FamilyIPv4:
		return "ip"
	case FamilyARP:
		return "arp"
	case FamilyNetdev:
		return "netdev"
	case FamilyBridge:
		return "bridge"
	case FamilyIPv6:
		return "ip6"
	}
	return "family " + strconv.Itoa(int(f))
}

// flagNames are the header's flags, as those of a change, and the port id if there is one.
func flagNames(m Message) string {
	names := []struct {
		bit  uint16
		name string
	}{
		{FlagRequest, "REQUEST"}, {FlagMulti, "MULTI"}, {FlagAck, "ACK"}, {FlagEcho, "ECHO"}, {FlagDumpIntr, "DUMP_INTR"},
		{FlagDumpFiltered, "DUMP_FILTERED"}, {FlagReplace, "REPLACE"}, {FlagExcl, "EXCL"}, {FlagCreate, "CREATE"}, {FlagAppend, "APPEND"},
	}
	left, s := m.Flags, ""
	for _, n := range names {
		if left&n.bit != 0 {
			left &^= n.bit
			s += "|" + n.name
		}
	}
	if left != 0 {
		s += fmt.Sprintf("|%#x", left)
	}
	if s != "" {
		s = " " + s[1:]
	}
	if m.PID != 0 {
		s += " pid " + strconv.FormatUint(uint64(m.PID), 10)
	}
	return s
}
