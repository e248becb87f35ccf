package offloadtest

import (
	"slices"

	"github.com/go-fastpath/fastpath/internal/runlock"
)

// socket opens one, by which batches come. It is called with the lock held.
func (k *Kernel) socket() uint32 {
	k.sockets++
	return k.sockets
}

// closeSocket takes the tables along that the socket owns (`flags owner`): without a new generation, and without an announcement. With
// `persist` they stay, and are nobody's. It is called with the lock held.
func (k *Kernel) closeSocket(socket uint32) {
	owns := func(t *table) bool { return t.socket == socket }
	if !slices.ContainsFunc(k.state.tables, owns) {
		return
	}
	k.state = k.state.clone() // what was dumped before stays as it was
	k.state.tables = slices.DeleteFunc(k.state.tables, func(t *table) bool { return owns(t) && t.flags&runlock.FlagPersist == 0 })
	for _, t := range k.state.tables {
		if owns(t) {
			t.socket = 0
			t.flags &^= runlock.FlagOwner
		}
	}
	if k.freed != nil {
		close(k.freed)
		k.freed = nil
	}
}
