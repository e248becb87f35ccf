package ruleset

import (
	"bytes"
	"io"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// A Batch is one encoded transaction: the messages from BATCH_BEGIN to BATCH_END, each with its index as sequence number. It
// knows which operation each message belongs to. Immutable and safe for concurrent use.
type Batch struct {
	bytes      []byte
	order      nlmsg.Order
	operations []Operation
	starts     []uint32 // offset of each message
	owners     []int32  // index of each message's operation, -1 for BATCH_BEGIN and BATCH_END
}

// Messages is the number of messages, BATCH_BEGIN and BATCH_END included.
func (b *Batch) Messages() int { return len(b.starts) }

// Operation is what message i belongs to; false for BATCH_BEGIN, BATCH_END and what is not a message of the batch.
func (b *Batch) Operation(i int) (Operation, bool) {
	if i < 0 || i >= len(b.owners) || b.owners[i] < 0 {
		return Operation{}, false
	}
	return b.operations[b.owners[i]], true
}

// Attribute names the attribute at an offset into a message, counted from its header as a kernel's extended ack does:
// `NFTA_FLOWTABLE_HOOK.NFTA_FLOWTABLE_HOOK_DEVS.NFTA_DEVICE_NAME "eth0"`. It is "" if there is none.
func (b *Batch) Attribute(message int, offset uint32) string {
	if message < 0 || message >= len(b.starts) {
		return ""
	}
	return nlmsg.AttrAt(b.order, b.message(message), offset)
}

func (b *Batch) message(i int) []byte {
	end := len(b.bytes)
	if i+1 < len(b.starts) {
		end = int(b.starts[i+1])
	}
	return b.bytes[b.starts[i]:end]
}

// Bytes are what is sent, in one piece. They are the batch's own: read only.
func (b *Batch) Bytes() []byte { return b.bytes }

// DryRun is the batch without BATCH_END: a kernel validates it and takes everything back, and answers as it would to the
// whole. The bytes are the batch's own: read only.
func (b *Batch) DryRun() []byte { return b.bytes[:b.starts[len(b.starts)-1]] }

// MarshalBinary is a copy of the bytes, for a loader that sends them later.
func (b *Batch) MarshalBinary() ([]byte, error) { return bytes.Clone(b.bytes), nil }

// WriteText writes the batch in readable form, lossless: every message with its flags, every attribute with its value.
func (b *Batch) WriteText(w io.Writer) error { return nlmsg.WriteText(w, b.order, b.bytes) }
