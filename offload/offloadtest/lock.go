package offloadtest

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/runlock"
	"github.com/go-fastpath/fastpath/offload"
)

var _ offload.Lockable = (*Kernel)(nil)

// A heldLock is a table that its socket owns.
type heldLock struct {
	socket  uint32
	request string        // the table by which another asks for it
	lost    chan struct{} // closed when one did
	told    bool
}

// Lock takes an owner's lock, as the real kernel's is taken: a table that a socket owns, which moves the generation. With takeover, who holds
// it is asked to leave, and waited for.
func (k *Kernel) Lock(ctx context.Context, owner string, takeover bool) (lost <-chan struct{}, release func() error, err error) {
	lost, release, _, err = k.LockFrom(ctx, owner, takeover)
	return lost, release, err
}

// LockFrom is Lock, and tells the generation before the commit that took it.
func (k *Kernel) LockFrom(ctx context.Context, owner string, takeover bool) (lost <-chan struct{}, release func() error, from uint32, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	socket, asking := k.socket(), false
	comment := runlock.Comment(owner, os.Getpid(), time.Now().UTC().Format(time.RFC3339))
	for {
		from = k.state.generation
		if k.takes(socket, runlock.Take(owner, comment, asking, from)) {
			held := &heldLock{socket: socket, request: runlock.Request(owner), lost: make(chan struct{})}
			if k.locks == nil {
				k.locks = map[*heldLock]bool{}
			}
			k.locks[held] = true
			return held.lost, func() error { k.unlock(held); return nil }, from, nil
		}
		if !takeover {
			err = fmt.Errorf("offloadtest: lock of %q: %w", owner, offload.ErrRunning)
		} else {
			asking = asking || k.takes(socket, runlock.Ask(owner, comment))
			err = k.waitForFreed(ctx)
		}
		if err != nil {
			k.closeSocket(socket)
			return nil, nil, 0, err
		}
	}
}

// takes reports whether a batch is committed.
func (k *Kernel) takes(socket uint32, b runlock.Batch) bool {
	acks, _ := k.transact(socket, b.Bytes)
	return verdict(acks) == nil
}

// waitForFreed waits until a table went with its socket, or was deleted. It is called with the lock held, and gives it away meanwhile.
func (k *Kernel) waitForFreed(ctx context.Context) error {
	if k.freed == nil {
		k.freed = make(chan struct{})
	}
	freed := k.freed
	k.mu.Unlock()
	defer k.mu.Lock()
	select {
	case <-freed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tellHolders tells those who hold a lock that another asks for it. It is called with the lock held, after a commit.
func (k *Kernel) tellHolders() {
	for held := range k.locks {
		t := k.state.table(nlmsg.FamilyInet, held.request)
		if t != nil && t.socket != 0 && !held.told {
			held.told = true
			close(held.lost)
		}
	}
	if k.freed != nil { // a request may have been withdrawn
		close(k.freed)
		k.freed = nil
	}
}

func (k *Kernel) unlock(held *heldLock) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.locks[held] {
		delete(k.locks, held)
		k.closeSocket(held.socket)
	}
}
