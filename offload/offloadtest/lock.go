package offloadtest

import (
	"context"
	"fmt"

	"github.com/go-fastpath/fastpath/offload"
)

var _ offload.Lockable = (*Kernel)(nil)

// An ownerLock is held by one Run of an owner.
type ownerLock struct {
	lost  chan struct{} // closed when another wants it
	freed chan struct{} // closed when it is released
	asked bool
}

// Lock takes an owner's lock. With takeover, who holds it is asked to leave, and waited for.
func (k *Kernel) Lock(ctx context.Context, owner string, takeover bool) (lost <-chan struct{}, release func() error, err error) {
	for {
		mine, other := k.tryLock(owner, takeover)
		if mine != nil {
			return mine.lost, func() error { k.unlock(owner, mine); return nil }, nil
		}
		if !takeover {
			return nil, nil, fmt.Errorf("offloadtest: lock of %q: %w", owner, offload.ErrRunning)
		}
		select {
		case <-other.freed:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

// tryLock takes the lock if it is free; else it is whose it is, who is told with takeover.
func (k *Kernel) tryLock(owner string, takeover bool) (mine, other *ownerLock) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if held := k.locks[owner]; held != nil {
		if takeover && !held.asked {
			held.asked = true
			close(held.lost)
		}
		return nil, held
	}
	if k.locks == nil {
		k.locks = map[string]*ownerLock{}
	}
	l := &ownerLock{lost: make(chan struct{}), freed: make(chan struct{})}
	k.locks[owner] = l
	return l, nil
}

func (k *Kernel) unlock(owner string, l *ownerLock) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.locks[owner] == l {
		delete(k.locks, owner)
		close(l.freed)
	}
}
