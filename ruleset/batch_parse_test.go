package ruleset

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// parsed is the batch of a captured Spec, encoded and read again.
func parsed(t testing.TB, order binary.ByteOrder) (b, again *Batch) {
	t.Helper()
	r, err := capturedSpec(true, true).Resolve(nil)
	require.NoError(t, err)
	p, err := Diff(nil, r)
	require.NoError(t, err)
	b, err = p.Batch(order)
	require.NoError(t, err)
	again, err = ParseBatch(order, b.Bytes())
	require.NoError(t, err)
	return b, again
}

// TestParseBatch: what was marshalled is read back message by message, with verb, kind and names of each.
func TestParseBatch(t *testing.T) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		b, again := parsed(t, order)
		assert.Equal(t, b.Bytes(), again.Bytes())
		require.Equal(t, b.Messages(), again.Messages())
		var want, got bytes.Buffer
		require.NoError(t, b.WriteText(&want))
		require.NoError(t, again.WriteText(&got))
		assert.Equal(t, want.String(), got.String())
		for i := range b.Messages() {
			w, ok := b.Operation(i)
			g, gok := again.Operation(i)
			require.Equal(t, ok, gok)
			if w.Kind == KindRule && g.Kind != KindRule {
				continue // the anonymous set of a rule's list
			}
			assert.Equal(t, Operation{Verb: w.Verb, Kind: w.Kind, Family: w.Family, Table: w.Table, Name: w.Name}, g)
		}
	}
}

// TestParseBatchRefuses what is no whole batch.
func TestParseBatchRefuses(t *testing.T) {
	b, _ := parsed(t, nil)
	for name, bad := range map[string][]byte{
		"nothing":     nil,
		"no begin":    b.Bytes()[20:],
		"no end":      b.DryRun(),
		"cut off":     b.Bytes()[:len(b.Bytes())-1],
		"two batches": append(bytes.Clone(b.Bytes()), b.Bytes()...),
	} {
		_, err := ParseBatch(nil, bad)
		require.ErrorIs(t, err, nlmsg.ErrMalformed, name)
	}
}

// FuzzParseBatch: bytes are read or refused, and what is read can be printed.
func FuzzParseBatch(f *testing.F) {
	b, _ := parsed(f, binary.LittleEndian)
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := ParseBatch(binary.LittleEndian, data)
		if err != nil {
			return
		}
		require.NoError(t, b.WriteText(bytes.NewBuffer(nil)))
		for i := range b.Messages() {
			op, ok := b.Operation(i)
			assert.Equal(t, ok, op.String() != "   ")
		}
	})
}
