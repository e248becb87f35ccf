package nlsock

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// Messages of enum nf_tables_msg_types and their attributes (include/uapi/linux/netfilter/nf_tables.h), as far as the tests
// send them.
const (
	newTable = nlmsg.SubsysNFTables << 8
	getTable = nlmsg.SubsysNFTables<<8 | 1
	newChain = nlmsg.SubsysNFTables<<8 | 3
	newRule  = nlmsg.SubsysNFTables<<8 | 6
	getRule  = nlmsg.SubsysNFTables<<8 | 7
	newSet   = nlmsg.SubsysNFTables<<8 | 9
	newElem  = nlmsg.SubsysNFTables<<8 | 12
	getElem  = nlmsg.SubsysNFTables<<8 | 13
	getGen   = nlmsg.SubsysNFTables<<8 | 16

	tableName = 1
)

func TestMain(m *testing.M) {
	if child := os.Getenv(childVariable); child != "" {
		os.Exit(runChild(child))
	}
	goleak.VerifyTestMain(m)
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// openT pins a fresh network namespace, both as the test helper's and as ours.
func openT(t *testing.T) (*testns.Namespace, *Namespace) {
	t.Helper()
	testns.CheckLeaks(t)
	outer := testns.NewT(t, t.Name())
	ns, err := OpenNamespace(outer.Path())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ns.Close()) })
	return outer, ns
}

// dialT opens a netfilter socket in a fresh namespace.
func dialT(t *testing.T, cfg Config) (*testns.Namespace, *Namespace, *Socket) {
	t.Helper()
	outer, ns := openT(t)
	return outer, ns, dialIn(t, ns, cfg)
}

func dialIn(t *testing.T, ns *Namespace, cfg Config) *Socket {
	t.Helper()
	s, err := ns.Dial(unix.NETLINK_NETFILTER, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// request encodes one message; attrs may be nil.
func request(typ, flags uint16, family byte, attrs func(*nlmsg.Builder)) []byte {
	b := nlmsg.NewBuilder(nlmsg.Native(), nil)
	b.BeginNetfilter(typ, flags|nlmsg.FlagRequest, 0, family, 0)
	if attrs != nil {
		attrs(b)
	}
	b.End()
	return b.Bytes()
}

// A batch of nf_tables messages, numbered from 0 (BATCH_BEGIN).
type batch struct {
	*nlmsg.Builder
	messages int
}

func newBatch(subsys uint16, generation uint32) *batch {
	b := &batch{Builder: nlmsg.NewBuilder(nlmsg.Native(), nil)}
	b.BeginNetfilter(nlmsg.NFTypeBatchBegin, nlmsg.FlagRequest, 0, 0, subsys)
	if generation != 0 {
		b.Uint32BE(nlmsg.NFBatchGenID, generation)
	}
	b.End()
	b.messages = 1
	return b
}

func (b *batch) add(typ, flags uint16, attrs func(*nlmsg.Builder)) {
	b.BeginNetfilter(typ, flags|nlmsg.FlagRequest, uint32(b.messages), nlmsg.FamilyInet, 0)
	attrs(b.Builder)
	b.End()
	b.messages++
}

func (b *batch) table(name string, flags uint16) {
	b.add(newTable, flags|nlmsg.FlagCreate, func(m *nlmsg.Builder) { m.String(tableName, name) })
}

// rule adds a rule to a chain that does not exist: ENOENT.
func (b *batch) rule(table string) {
	b.add(newRule, nlmsg.FlagCreate|nlmsg.FlagAppend, func(m *nlmsg.Builder) {
		m.String(1, table)
		m.String(2, "missing")
	})
}

func (b *batch) end() []byte {
	b.BeginNetfilter(nlmsg.NFTypeBatchEnd, nlmsg.FlagRequest, uint32(b.messages), 0, nlmsg.SubsysNFTables)
	b.End()
	b.messages++
	return b.Bytes()
}

// commit sends the batch on a socket of its own and requires that it goes through.
func (b *batch) commit(t *testing.T, ns *Namespace) {
	t.Helper()
	acks, err := dialIn(t, ns, Config{}).Commit(testContext(t), b.end(), b.messages)
	require.NoError(t, err)
	require.Empty(t, acks)
}

// tables lists the tables of the namespace with nft.
func tables(t *testing.T, ns *testns.Namespace) string {
	t.Helper()
	out, err := ns.Run(testContext(t), "", "nft", "list", "tables")
	require.NoError(t, err)
	return out
}

// ports commits a table with a set of n ports.
func ports(t *testing.T, ns *Namespace, n int) {
	t.Helper()
	b := newBatch(nlmsg.SubsysNFTables, 0)
	b.table("t", 0)
	b.add(newSet, nlmsg.FlagCreate, func(m *nlmsg.Builder) {
		m.String(1, "t")
		m.String(2, "s")
		m.Uint32BE(4, 13) // NFTA_SET_KEY_TYPE inet_service
		m.Uint32BE(5, 2)  // NFTA_SET_KEY_LEN
		m.Uint32BE(10, 1) // NFTA_SET_ID
	})
	for at := 0; at < n; at += 1000 {
		b.add(newElem, nlmsg.FlagCreate, func(m *nlmsg.Builder) { elements(m, at, min(at+1000, n)) })
	}
	b.commit(t, ns)
}

func elements(m *nlmsg.Builder, from, to int) {
	m.String(1, "t")
	m.String(2, "s")
	list := m.Nest(3)
	for port := from; port < to; port++ {
		elem := m.Nest(1)
		key := m.Nest(1)
		m.Uint16BE(1, uint16(port))
		m.EndNest(key)
		m.EndNest(elem)
	}
	m.EndNest(list)
}

// elementCount counts the elements in one NEWSETELEM message.
func elementCount(m nlmsg.Message) (int, error) {
	_, _, attrs, err := nlmsg.Netfilter(m.Data)
	if err != nil {
		return 0, err
	}
	for len(attrs) > 0 {
		var a nlmsg.Attr
		if a, attrs, err = nlmsg.NextAttr(nlmsg.Native(), attrs); err != nil {
			return 0, err
		}
		if a.Type != 3 {
			continue
		}
		n := 0
		for list := a.Data; len(list) > 0; n++ {
			if _, list, err = nlmsg.NextAttr(nlmsg.Native(), list); err != nil {
				return 0, err
			}
		}
		return n, nil
	}
	return 0, fmt.Errorf("no elements in a message of type %#x", m.Type)
}
