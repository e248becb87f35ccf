package nlsock

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/testns"
)

const erestart = 85 // ERESTART, which the kernel keeps to itself elsewhere

func TestCommit(t *testing.T) {
	outer, _, s := dialT(t, Config{})
	b := newBatch(nlmsg.SubsysNFTables, 0)
	b.table("one", 0)
	b.table("two", nlmsg.FlagAck)
	acks, err := s.Commit(testContext(t), b.end(), b.messages)
	require.NoError(t, err)
	assert.Equal(t, []nlmsg.Ack{{Seq: 2}}, acks)
	assert.Equal(t, "table inet one\ntable inet two\n", tables(t, outer))
}

// A batch that asks for no acknowledgement is not answered, and committed.
func TestCommitWithoutAck(t *testing.T) {
	outer, _, s := dialT(t, Config{})
	b := newBatch(nlmsg.SubsysNFTables, 0)
	b.table("one", 0)
	acks, err := s.Commit(testContext(t), b.end(), b.messages)
	require.NoError(t, err)
	assert.Empty(t, acks)
	assert.Equal(t, "table inet one\n", tables(t, outer))
}

// Every failing message answers with its own sequence number, and nothing is committed.
func TestCommitRefusedInTheMiddle(t *testing.T) {
	outer, _, s := dialT(t, Config{})
	b := newBatch(nlmsg.SubsysNFTables, 0)
	b.table("one", 0)
	b.rule("one")     // 2: no such chain
	b.table("two", 0) // 3
	b.rule("three")   // 4: no such table
	b.table("four", nlmsg.FlagAck)
	acks, err := s.Commit(testContext(t), b.end(), b.messages)
	require.NoError(t, err)
	var refused []uint32
	for _, a := range acks {
		if a.Errno != 0 {
			assert.EqualValues(t, unix.ENOENT, a.Errno)
			assert.NotZero(t, a.Offset)
			refused = append(refused, a.Seq)
		}
	}
	assert.Equal(t, []uint32{2, 4}, refused)
	assert.Empty(t, tables(t, outer))
}

func TestCommitToSubsystemWithoutBatches(t *testing.T) {
	_, _, s := dialT(t, Config{})
	b := newBatch(nlmsg.SubsysHook, 0)
	b.table("one", nlmsg.FlagAck)
	acks, err := s.Commit(testContext(t), b.end(), b.messages)
	require.NoError(t, err)
	require.Len(t, acks, 1)
	assert.Equal(t, nlmsg.Ack{Seq: 0, Errno: int32(unix.EOPNOTSUPP)}, acks[0])
}

func TestCommitOfStaleGeneration(t *testing.T) {
	outer, _, s := dialT(t, Config{})
	b := newBatch(nlmsg.SubsysNFTables, 4711)
	b.table("one", nlmsg.FlagAck)
	b.table("two", nlmsg.FlagAck)
	acks, err := s.Commit(testContext(t), b.end(), b.messages)
	require.NoError(t, err)
	require.Len(t, acks, 1)
	assert.EqualValues(t, 0, acks[0].Seq)
	assert.EqualValues(t, erestart, acks[0].Errno)
	assert.Empty(t, tables(t, outer))
}

// Since Linux 6.10 BATCH_BEGIN is acknowledged where it asks for it. That is no news of the batch: it comes with a batch that is
// refused or has no end as with one that is committed, and not where the kernel dropped the batch, or it came too late.
func TestCommitAckOfBegin(t *testing.T) {
	release, err := testns.Kernel()
	require.NoError(t, err)
	acksBegin := release.AtLeast(6, 10)
	whole := func(fill func(*batch)) []byte {
		b := newBatch(nlmsg.SubsysNFTables, 0)
		fill(b)
		return b.end()
	}
	for name, c := range map[string]struct {
		bytes []byte
		acked bool
		errno unix.Errno
	}{
		"committed": {whole(func(b *batch) { b.table("one", 0) }), acksBegin, 0},
		"refused":   {whole(func(b *batch) { b.table("one", 0); b.rule("one") }), acksBegin, unix.ENOENT},
		"malformed": {malformedBatches()["short"], false, 0},
		"nested":    {malformedBatches()["nested"], false, 0},
		"without end": {func() []byte {
			b := newBatch(nlmsg.SubsysNFTables, 0)
			b.table("one", 0)
			return b.Bytes()
		}(), acksBegin, 0},
		"too late": {func() []byte {
			b := newBatch(nlmsg.SubsysNFTables, 4711)
			b.table("one", 0)
			return b.end()
		}(), false, unix.Errno(erestart)},
	} {
		t.Run(name, func(t *testing.T) {
			outer, _, s := dialT(t, Config{})
			nlmsg.Native().PutUint16(c.bytes[6:], nlmsg.FlagRequest|nlmsg.FlagAck)
			acks, err := s.Commit(testContext(t), c.bytes, 4)
			require.NoError(t, err)
			acked, errno := false, unix.Errno(0)
			for _, a := range acks {
				if a.Errno != 0 {
					errno = unix.Errno(a.Errno)
				} else if a.Seq == 0 {
					acked = true
				}
			}
			assert.Equal(t, c.acked, acked, "%+v", acks)
			assert.Equal(t, c.errno, errno)
			assert.Equal(t, name == "committed", tables(t, outer) != "")
		})
	}
}

// A kernel drops these without a word, and nothing waits for one.
func TestCommitOfMalformedBatch(t *testing.T) {
	for name, bytes := range malformedBatches() {
		t.Run(name, func(t *testing.T) {
			outer, _, s := dialT(t, Config{})
			acks, err := s.Commit(testContext(t), bytes, 4)
			require.NoError(t, err)
			for _, a := range acks {
				assert.Zero(t, a.Errno)
			}
			assert.Empty(t, tables(t, outer))
			requireGeneration(t, s)
		})
	}
}

// A batch without BATCH_END is the dry run: errors come as from a commit, and nothing stays.
func TestCommitWithoutEnd(t *testing.T) {
	outer, _, s := dialT(t, Config{})
	b := newBatch(nlmsg.SubsysNFTables, 0)
	b.table("one", 0)
	b.rule("one")
	b.table("two", nlmsg.FlagAck)
	acks, err := s.Commit(testContext(t), b.Bytes(), b.messages)
	require.NoError(t, err)
	require.NotEmpty(t, acks)
	assert.Contains(t, errnos(acks), uint32(2))
	assert.Empty(t, tables(t, outer))
}

// errnos maps the sequence of each error to its errno.
func errnos(acks []nlmsg.Ack) map[uint32]unix.Errno {
	m := map[uint32]unix.Errno{}
	for _, a := range acks {
		if a.Errno != 0 {
			m[a.Seq] = unix.Errno(a.Errno)
		}
	}
	return m
}

func TestCommitOfTenThousandFailures(t *testing.T) {
	outer, _, s := dialT(t, Config{})
	b := newBatch(nlmsg.SubsysNFTables, 0)
	for i := range 10000 {
		b.rule(fmt.Sprintf("missing%d", i))
	}
	acks, err := s.Commit(testContext(t), b.end(), b.messages)
	require.NoError(t, err)
	assert.Len(t, errnos(acks), 10000)
	assert.Empty(t, tables(t, outer))
	requireGeneration(t, s)
}

// Where the buffer cannot grow, the errors that found room are kept and the overrun is told.
func TestAnswersKeepWhatAnOverrunLeft(t *testing.T) {
	_, _, s := dialT(t, Config{ReadBuffer: 8 << 10})
	b := newBatch(nlmsg.SubsysNFTables, 0)
	for range 100 {
		b.rule("missing")
	}
	require.NoError(t, s.send(b.end()))
	var a answers
	require.ErrorIs(t, s.readAnswers(&a), ErrOverrun)
	assert.NotEmpty(t, errnos(a.acks))
	assert.Less(t, len(a.acks), 100)
	requireGeneration(t, s)
}

func TestCommitOfLargeBatch(t *testing.T) {
	const rules = 1500
	_, _, s := dialT(t, Config{})
	b := newBatch(nlmsg.SubsysNFTables, 0)
	b.table("t", 0)
	b.add(newChain, nlmsg.FlagCreate, func(m *nlmsg.Builder) {
		m.String(1, "t")
		m.String(3, "c") // NFTA_CHAIN_NAME
	})
	for range rules {
		b.add(newRule, nlmsg.FlagCreate|nlmsg.FlagAppend, func(m *nlmsg.Builder) {
			m.String(1, "t")
			m.String(2, "c")
			m.Data(7, make([]byte, 256)) // NFTA_RULE_USERDATA
		})
	}
	bytes := b.end()
	require.Greater(t, len(bytes), 425984, "smaller than a default send buffer")
	acks, err := s.Commit(testContext(t), bytes, b.messages)
	require.NoError(t, err)
	require.Empty(t, acks)
	found := 0
	for m, err := range s.Dump(testContext(t), request(getRule, nlmsg.FlagDump, 0, nil)) {
		require.NoError(t, err)
		require.EqualValues(t, newRule, m.Type)
		found++
	}
	assert.Equal(t, rules, found)
}

func TestCommitAfterContextEnded(t *testing.T) {
	outer, _, s := dialT(t, Config{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	b := newBatch(nlmsg.SubsysNFTables, 0)
	b.table("one", nlmsg.FlagAck)
	acks, err := s.Commit(ctx, b.end(), b.messages)
	require.ErrorIs(t, err, context.Canceled)
	assert.Empty(t, acks)
	assert.Empty(t, tables(t, outer))
}

// malformedBatches have a batch within a batch, or a message that is shorter than its header; the last message asks for an answer.
func malformedBatches() map[string][]byte {
	nested := newBatch(nlmsg.SubsysNFTables, 0)
	nested.table("one", nlmsg.FlagAck)
	nested.BeginNetfilter(nlmsg.NFTypeBatchBegin, nlmsg.FlagRequest, 2, 0, nlmsg.SubsysNFTables)
	nested.End()
	cut := newBatch(nlmsg.SubsysNFTables, 0)
	cut.table("one", 0)
	header := cut.Len()
	cut.table("two", nlmsg.FlagAck)
	short := cut.end()
	nlmsg.Native().PutUint16(short[header:], 8) // shorter than a header
	return map[string][]byte{"nested": nested.end(), "short": short}
}
