package ruleset

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
)

// iptables reads rules as iptables-save prints them and makes of them what iptables-nft 1.8.9 does: a counter in each, its own expressions for what nf_tables
// has, and extensions of xtables for the rest.
func iptables(t *testing.T, owner, text string) *Spec {
	t.Helper()
	s := &Spec{Owner: owner}
	var table *Table
	chains := map[string]int{}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || words[0][0] == '#':
		case words[0][0] == '*':
			s.Tables = append(s.Tables, Table{Family: IP, Name: words[0][1:]})
			table, chains = &s.Tables[len(s.Tables)-1], map[string]int{}
		case words[0][0] == ':':
			chains[words[0][1:]] = len(table.Chains)
			table.Chains = append(table.Chains, iptablesChain(table.Name, words[0][1:], words[1]))
		default:
			r := iptablesRule{t: t, words: words}
			chain, exprs := r.read()
			raw, err := rawStatement(IP, strings.TrimSpace(line), exprs...)
			require.NoError(t, err, line)
			i, there := chains[chain]
			require.True(t, there, line)
			table.Chains[i].Rules = append(table.Chains[i].Rules, R(raw))
		}
	}
	return s
}

// iptablesChain is a built-in chain of a table, or one of its own.
func iptablesChain(table, name, policy string) Chain {
	hooks := map[string]Hook{"PREROUTING": Prerouting, "INPUT": Input, "FORWARD": Forward, "OUTPUT": Output, "POSTROUTING": Postrouting}
	priorities := map[string]string{"raw": "raw", "mangle": "mangle", "filter": "filter"}
	c := Chain{Name: name}
	if hook, is := hooks[name]; is {
		c.Hook, c.Priority, c.Policy = hook, flowtable.Priority(priorities[table]), Verdict(strings.ToLower(policy))
	}
	return c
}

// An iptablesRule is one line at work.
type iptablesRule struct {
	t     *testing.T
	words []string
	at    int
	list  []expr.Any
}

func (r *iptablesRule) next() string {
	r.at++
	require.Less(r.t, r.at-1, len(r.words), "%v", r.words)
	return r.words[r.at-1]
}

// read is the chain, and the expressions: tests, the counter, then what is done.
func (r *iptablesRule) read() (chain string, list []expr.Any) {
	match := ""
	for r.at < len(r.words) {
		op := expr.CmpOpEq
		word := r.next()
		if word == "!" {
			op, word = expr.CmpOpNeq, r.next()
		}
		switch word {
		case "-A":
			chain = r.next()
		case "-m":
			if match = r.next(); match == "rpfilter" {
				r.xtMatch("rpfilter", 0, []byte{1 << 2}, 8) // inverted, as it is used
			}
		case "-j", "-g":
			r.list = append(r.list, &expr.Counter{})
			r.target(r.next(), word == "-g")
			return chain, r.list
		case "--invert", "--physdev-is-bridged":
		default:
			r.test(match, word, op)
		}
	}
	return chain, append(r.list, &expr.Counter{})
}

// test adds one match.
func (r *iptablesRule) test(match, word string, op expr.CmpOp) {
	value := r.next()
	switch word {
	case "-i":
		r.meta(expr.MetaKeyIIFNAME, op, deviceBytes(value))
	case "-o":
		r.meta(expr.MetaKeyOIFNAME, op, deviceBytes(value))
	case "-s":
		r.address(12, op, value)
	case "-d":
		r.address(16, op, value)
	case "-p":
		r.meta(expr.MetaKeyL4PROTO, op, []byte{map[string]byte{"tcp": 6, "udp": 17, "icmp": 1}[value]})
	case "--dport":
		port, err := strconv.Atoi(value)
		require.NoError(r.t, err)
		r.payload(expr.PayloadBaseTransportHeader, 2, op, []byte{byte(port >> 8), byte(port)})
	case "--tcp-flags":
		mask := tcpFlags(value)
		r.list = append(r.list, &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 13, Len: 1},
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{mask}, Xor: []byte{0}},
			&expr.Cmp{Op: op, Register: 1, Data: []byte{tcpFlags(r.next())}})
	case "--ctstate":
		r.xtMatch("conntrack", 3, statesInfo(value, op == expr.CmpOpNeq), 168)
	case "--limit":
		rate, err := strconv.Atoi(strings.TrimSuffix(value, "/min"))
		require.NoError(r.t, err)
		r.list = append(r.list, &expr.Limit{Type: expr.LimitTypePkts, Rate: uint64(rate), Unit: expr.LimitTimeMinute, Burst: 10})
	case "--src-type", "--dst-type":
		r.xtMatch("addrtype", 1, make([]byte, 8), 8)
	case "--mark":
		v, mask := masked(r.t, value)
		native := binary.NativeEndian
		if match == "connmark" {
			r.xtMatch("connmark", 1, append(native.AppendUint32(native.AppendUint32(nil, v), mask), 0), 12)
			return
		}
		r.list = append(r.list, &expr.Meta{Key: expr.MetaKeyMARK, Register: 1},
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: native.AppendUint32(nil, mask), Xor: make([]byte, 4)},
			&expr.Cmp{Op: op, Register: 1, Data: native.AppendUint32(nil, v)})
	default:
		require.Fail(r.t, "unknown", "%s in %v", word, r.words)
	}
}

// target adds what is done.
func (r *iptablesRule) target(name string, leaves bool) {
	native := binary.NativeEndian
	option := ""
	if r.at < len(r.words) {
		option = r.next()
	}
	verdicts := map[string]expr.VerdictKind{"ACCEPT": expr.VerdictAccept, "DROP": expr.VerdictDrop, "RETURN": expr.VerdictReturn}
	if kind, is := verdicts[name]; is {
		r.list = append(r.list, &expr.Verdict{Kind: kind})
		return
	}
	switch name {
	case "REJECT":
		r.xtTarget(name, 0, make([]byte, 8))
	case "LOG":
		r.xtTarget(name, 0, append([]byte{4, 0}, make([]byte, 30)...))
	case "TCPMSS":
		r.xtTarget(name, 0, []byte{0xff, 0xff, 0, 0, 0, 0, 0, 0})
	case "MARK", "CONNMARK":
		v, mask := uint32(0), uint32(1<<32-1)
		if option == "--set-xmark" {
			v, mask = masked(r.t, r.next())
		}
		if name == "MARK" {
			r.xtTarget(name, 2, native.AppendUint32(native.AppendUint32(nil, v), mask))
			return
		}
		mode := map[string]byte{"--set-xmark": 0, "--save-mark": 1, "--restore-mark": 2}[option]
		info := native.AppendUint32(native.AppendUint32(native.AppendUint32(nil, v), mask), 1<<32-1)
		r.xtTarget(name, 2, append(info, 0, 0, mode, 0))
	default:
		kind := expr.VerdictJump
		if leaves {
			kind = expr.VerdictGoto
		}
		r.list = append(r.list, &expr.Verdict{Kind: kind, Chain: name})
	}
}

func (r *iptablesRule) meta(key expr.MetaKey, op expr.CmpOp, value []byte) {
	r.list = append(r.list, &expr.Meta{Key: key, Register: 1}, &expr.Cmp{Op: op, Register: 1, Data: value})
}

func (r *iptablesRule) payload(base expr.PayloadBase, offset uint32, op expr.CmpOp, value []byte) {
	r.list = append(r.list, &expr.Payload{DestRegister: 1, Base: base, Offset: offset, Len: uint32(len(value))}, &expr.Cmp{Op: op, Register: 1, Data: value})
}

// address compares the whole bytes of a prefix, as iptables-nft does.
func (r *iptablesRule) address(offset uint32, op expr.CmpOp, text string) {
	if !strings.Contains(text, "/") {
		text += "/32"
	}
	p, err := netip.ParsePrefix(text)
	require.NoError(r.t, err)
	r.payload(expr.PayloadBaseNetworkHeader, offset, op, p.Addr().AsSlice()[:p.Bits()/8])
}

func (r *iptablesRule) xtMatch(name string, rev uint32, info []byte, size int) {
	data := xt.Unknown(append(info, make([]byte, size-len(info))...))
	r.list = append(r.list, &expr.Match{Name: name, Rev: rev, Info: &data})
}

func (r *iptablesRule) xtTarget(name string, rev uint32, info []byte) {
	data := xt.Unknown(info)
	r.list = append(r.list, &expr.Target{Name: name, Rev: rev, Info: &data})
}

// deviceBytes is a name with its end, or the beginning of one.
func deviceBytes(name string) []byte {
	if prefix, is := strings.CutSuffix(name, "+"); is {
		return []byte(prefix)
	}
	return append([]byte(name), 0)
}

func tcpFlags(names string) (flags byte) {
	for name := range strings.SplitSeq(names, ",") {
		flags |= map[string]byte{"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32, "ALL": 63, "NONE": 0}[name]
	}
	return flags
}

// statesInfo is struct xt_conntrack_mtinfo3 for states alone.
func statesInfo(states string, invert bool) []byte {
	info := make([]byte, 168)
	binary.NativeEndian.PutUint16(info[146:], 1)
	if invert {
		binary.NativeEndian.PutUint16(info[148:], 1)
	}
	var mask uint16
	for state := range strings.SplitSeq(states, ",") {
		mask |= map[string]uint16{"INVALID": 1, "ESTABLISHED": 2, "RELATED": 4, "NEW": 8, "DNAT": 128, "UNTRACKED": 256}[state]
	}
	binary.NativeEndian.PutUint16(info[150:], mask)
	return info
}

func masked(t *testing.T, text string) (v, mask uint32) {
	t.Helper()
	value, bits, has := strings.Cut(text, "/")
	n, err := strconv.ParseUint(value, 0, 32)
	require.NoError(t, err)
	mask = 1<<32 - 1
	if has {
		m, err := strconv.ParseUint(bits, 0, 32)
		require.NoError(t, err)
		mask = uint32(m)
	}
	return uint32(n), mask
}
