package ruleset

import "github.com/go-fastpath/fastpath/internal/nlmsg"

// RawBatch frames bytes of any batch, such as another program sends, for a Kernel to take.
func RawBatch(b []byte) *Batch {
	batch := &Batch{order: nlmsg.Native(), bytes: b}
	for rest := b; len(rest) > 0; {
		batch.starts = append(batch.starts, uint32(len(b)-len(rest)))
		batch.owners = append(batch.owners, -1)
		_, next, err := nlmsg.NextMessage(batch.order, rest)
		if err != nil {
			break
		}
		rest = next
	}
	return batch
}
