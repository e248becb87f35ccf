package ruleset

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/nlsock"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// testContext ends before the test runner's patience does.
func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// commit sends a batch into a namespace and returns the kernel's refusals.
func commit(t testing.TB, ns *testns.Namespace, b *Batch) error {
	t.Helper()
	return commitBytes(t, ns, b, b.Bytes())
}

func commitBytes(t testing.TB, ns *testns.Namespace, b *Batch, bytes []byte) error {
	t.Helper()
	where, err := nlsock.OpenNamespace(ns.Path())
	require.NoError(t, err)
	defer where.Close()
	s, err := where.Dial(unix.NETLINK_NETFILTER, nlsock.Config{})
	require.NoError(t, err)
	defer s.Close()
	acks, err := s.Commit(testContext(t), bytes, b.Messages())
	require.NoError(t, err)
	refused := &CommitError{}
	for _, a := range acks {
		if a.Errno != 0 {
			refused.Refusals = append(refused.Refusals, Refusal{Message: int(a.Seq), Errno: int(a.Errno), Text: a.Text, Offset: a.Offset})
		}
	}
	if len(refused.Refusals) > 0 {
		return refused
	}
	require.NotEmpty(t, acks, "the kernel answered nothing")
	return nil
}

// commitEchoes sends a batch that the kernel takes, and returns what it echoed.
func commitEchoes(t testing.TB, ns *testns.Namespace, b *Batch) (list []Message) {
	t.Helper()
	where, err := nlsock.OpenNamespace(ns.Path())
	require.NoError(t, err)
	defer where.Close()
	s, err := where.Dial(unix.NETLINK_NETFILTER, nlsock.Config{})
	require.NoError(t, err)
	defer s.Close()
	acks, echoes, err := s.CommitEchoes(testContext(t), b.Bytes(), b.Messages())
	require.NoError(t, err)
	for _, a := range acks {
		op, _ := b.Operation(int(a.Seq))
		require.Zero(t, a.Errno, "%s: %v", op, a)
	}
	for _, m := range echoes {
		list = append(list, Message{Type: m.Type, Flags: m.Flags, Data: m.Data})
	}
	return list
}

// apply plans s for an empty kernel and commits it, or fails with the operation that was refused.
func apply(t testing.TB, ns *testns.Namespace, s *Spec) {
	t.Helper()
	b := compile(t, s)
	err := commit(t, ns, b)
	if refused, ok := err.(*CommitError); ok {
		for _, r := range refused.Refusals {
			op, _ := b.Operation(r.Message)
			t.Errorf("%s: %v %s", op, r, b.Attribute(r.Message, r.Offset))
		}
		t.FailNow()
	}
	require.NoError(t, err)
}

// compile encodes s for an empty kernel of this machine.
func compile(t testing.TB, s *Spec) *Batch {
	t.Helper()
	r, err := s.Resolve(nil)
	require.NoError(t, err)
	p, err := Diff(nil, r)
	require.NoError(t, err)
	b, err := p.Batch(nil)
	require.NoError(t, err)
	return b
}

// listing is `nft list ruleset`.
func listing(t testing.TB, ns *testns.Namespace) string {
	t.Helper()
	text, err := ns.Ruleset(testContext(t))
	require.NoError(t, err)
	return text
}

// listed loads an nft text into a namespace of its own and returns what nft makes of it.
func listed(t testing.TB, text string) string {
	t.Helper()
	ns := testns.NewT(t, "nft")
	require.NoError(t, ns.NFT(testContext(t), text), "nft refuses:\n%s", text)
	return listing(t, ns)
}

// nftText is the Spec as WriteNFT has it.
func nftText(t testing.TB, s *Spec) string {
	t.Helper()
	r, err := s.Resolve(nil)
	require.NoError(t, err)
	var b strings.Builder
	require.NoError(t, r.WriteNFT(&b))
	return b.String()
}

// planText is the plan for an empty kernel, one nft command a line.
func planText(t testing.TB, s *Spec) string {
	t.Helper()
	r, err := s.Resolve(nil)
	require.NoError(t, err)
	p, err := Diff(nil, r)
	require.NoError(t, err)
	return p.String()
}

// dump reads a whole namespace's ruleset as Load takes it: generation, tables, chains, sets, elements, rules, flowtables.
func dump(t testing.TB, ns *testns.Namespace) []Message {
	t.Helper()
	all := request(t, ns, nlmsg.NFTMsgGetGen, nlmsg.FlagAck, nil)
	for _, msg := range []uint16{nlmsg.NFTMsgGetTable, nlmsg.NFTMsgGetChain, nlmsg.NFTMsgGetSet} {
		all = append(all, request(t, ns, msg, nlmsg.FlagDump, nil)...)
	}
	named, err := Load("", seqOf(all))
	require.NoError(t, err)
	for _, s := range named.Sets() {
		all = append(all, requestOf(t, ns, s.Family, nlmsg.NFTMsgGetSetElem, nlmsg.FlagDump, func(b *nlmsg.Builder) {
			b.String(nlmsg.NFTASetElemListTable, s.Table)
			b.String(nlmsg.NFTASetElemListSet, s.Name)
		})...)
	}
	for _, msg := range []uint16{nlmsg.NFTMsgGetRule, nlmsg.NFTMsgGetFlowtable} {
		all = append(all, request(t, ns, msg, nlmsg.FlagDump, nil)...)
	}
	return all
}

// request sends one request, about an inet table if there is something to fill in, and returns the messages of the answer.
func request(t testing.TB, ns *testns.Namespace, msg, flags uint16, fill func(*nlmsg.Builder)) []Message {
	return requestOf(t, ns, Inet, msg, flags, fill)
}

func requestOf(t testing.TB, ns *testns.Namespace, f Family, msg, flags uint16, fill func(*nlmsg.Builder)) []Message {
	t.Helper()
	where, err := nlsock.OpenNamespace(ns.Path())
	require.NoError(t, err)
	defer where.Close()
	s, err := where.Dial(unix.NETLINK_NETFILTER, nlsock.Config{})
	require.NoError(t, err)
	defer s.Close()
	b := nlmsg.NewBuilder(nlmsg.Native(), nil)
	family := byte(nlmsg.FamilyUnspec)
	if fill != nil {
		family = f.number()
	}
	b.BeginNetfilter(nlmsg.NFTablesType(msg), nlmsg.FlagRequest|flags, 1, family, 0)
	if fill != nil {
		fill(b)
	}
	b.End()
	var all []Message
	for m, err := range s.Dump(testContext(t), b.Bytes()) {
		require.NoError(t, err)
		_, resID, _, err := nlmsg.Netfilter(m.Data)
		require.NoError(t, err)
		all = append(all, Message{Type: m.Type, Flags: m.Flags, Generation: resID, Data: append([]byte(nil), m.Data...)})
	}
	return all
}

// countElements counts the elements of a set in an inet table, an interval's start and end each for one.
func countElements(t testing.TB, ns *testns.Namespace, table, set string) int {
	t.Helper()
	n, o := 0, nlmsg.Native()
	for _, m := range request(t, ns, nlmsg.NFTMsgGetSetElem, nlmsg.FlagDump, func(b *nlmsg.Builder) {
		b.String(nlmsg.NFTASetElemListTable, table)
		b.String(nlmsg.NFTASetElemListSet, set)
	}) {
		for attrs := m.Data[4:]; len(attrs) > 0; {
			a, rest, err := nlmsg.NextAttr(o, attrs)
			require.NoError(t, err)
			for list := a.Data; a.Type == nlmsg.NFTASetElemListElements && len(list) > 0; n++ {
				_, list, err = nlmsg.NextAttr(o, list)
				require.NoError(t, err)
			}
			attrs = rest
		}
	}
	return n
}
