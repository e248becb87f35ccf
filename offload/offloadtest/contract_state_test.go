package offloadtest

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/ruleset"
)

// stateText is a whole dump as text without loss, for comparison between kernels: every message, every attribute, in the
// kernel's order. Levelled is what no kernel promises: a set's elements are one message and sorted, the devices of a flowtable are
// sorted, NEWGEN says nothing but the generation, no set says how it is implemented, and of the header only the type is shown.
func stateText(t *testing.T, messages []ruleset.Message) string {
	t.Helper()
	var lines []string
	var set ruleset.Message
	var elements []string
	flush := func() {
		if len(elements) > 0 {
			slices.Sort(elements)
			lines = append(lines, messageText(t, set, [][]byte{[]byte(strings.Join(elements, ""))}, nlmsg.NFTASetElemListElements))
		}
		elements = nil
	}
	for _, m := range messages {
		list := parse(m.Data[4:], 20)
		if m.Type != nlmsg.NFTablesType(nlmsg.NFTMsgNewSetElem) {
			flush()
		}
		switch m.Type & 0xff {
		case nlmsg.NFTMsgNewSet:
			lines = append(lines, messageText(t, m, nil, setType))
		case nlmsg.NFTMsgNewGen:
			lines = append(lines, messageText(t, m, nil, nlmsg.NFTAGenProcPID, nlmsg.NFTAGenProcName))
		case nlmsg.NFTMsgNewTable: // the port of the socket that owns it is nobody's to choose
			lines = append(lines, messageText(t, m, nil, nlmsg.NFTATableOwner))
			if list.get(nlmsg.NFTATableOwner).there {
				lines = append(lines, "owned")
			}
		case nlmsg.NFTMsgNewSetElem:
			if len(elements) > 0 && setName(set) != setName(m) {
				flush()
			}
			set = m
			for _, e := range list.get(nlmsg.NFTASetElemListElements).inside() {
				elements = append(elements, string(attrBytes(e)))
			}
		case nlmsg.NFTMsgNewFlowtable:
			lines = append(lines, messageText(t, m, [][]byte{sortedHook(list)}, nlmsg.NFTAFlowtableHook))
		default:
			lines = append(lines, messageText(t, m, nil))
		}
	}
	flush()
	return strings.Join(lines, "")
}

// setType is NFTA_SET_TYPE, the name or the address of the code behind a set.
const setType = 19

func setName(m ruleset.Message) string {
	list := parse(m.Data[4:], 20)
	return list.get(nlmsg.NFTASetElemListTable).String() + " " + list.get(nlmsg.NFTASetElemListSet).String()
}

// messageText writes a message without some attributes; what one of them holds instead is given.
func messageText(t *testing.T, m ruleset.Message, instead [][]byte, but ...uint16) string {
	t.Helper()
	b := nlmsg.NewBuilder(nlmsg.Native(), nil)
	b.Begin(m.Type, 0, 0)
	b.Raw(m.Data[:4])
	for _, a := range parse(m.Data[4:], 20) {
		switch {
		case !slices.Contains(but, a.Type):
			a.append(b)
		case len(instead) > 0:
			typ := a.Type
			if a.Nested {
				typ |= nlmsg.AttrNested
			}
			b.Data(typ, instead[0])
		}
	}
	b.End()
	require.NoError(t, b.Err())
	var text strings.Builder
	require.NoError(t, nlmsg.WriteText(&text, nlmsg.Native(), b.Bytes()))
	return text.String()
}

// sortedHook is a flowtable's hook with its devices sorted.
func sortedHook(list attrs) []byte {
	var hook []byte
	for _, a := range list.get(nlmsg.NFTAFlowtableHook).inside() {
		if a.Type != nlmsg.NFTAFlowtableHookDevs {
			hook = append(hook, attrBytes(a)...)
			continue
		}
		var devices [][]byte
		for _, d := range a.inside() {
			devices = append(devices, attrBytes(d))
		}
		slices.SortFunc(devices, bytes.Compare)
		a.Data = bytes.Join(devices, nil)
		hook = append(hook, attrBytes(a)...)
	}
	return hook
}

// echoText is what a kernel sent back of a step.
func echoText(t *testing.T, echoes []nlmsg.Message) string {
	t.Helper()
	b := nlmsg.NewBuilder(nlmsg.Native(), nil)
	for _, m := range echoes {
		b.Begin(m.Type, m.Flags, m.Seq)
		b.Raw(m.Data[:4])
		for _, a := range parse(m.Data[4:], 20) {
			switch {
			case m.Type == nlmsg.NFTablesType(nlmsg.NFTMsgNewSet) && a.Type == setType:
			case m.Type == nlmsg.NFTablesType(nlmsg.NFTMsgNewGen) && a.Type != nlmsg.NFTAGenID:
			default:
				a.append(b)
			}
		}
		b.End()
	}
	var text strings.Builder
	require.NoError(t, nlmsg.WriteText(&text, nlmsg.Native(), b.Bytes()))
	return text.String()
}
