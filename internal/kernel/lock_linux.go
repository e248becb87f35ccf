package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlsock"
	"github.com/go-fastpath/fastpath/internal/runlock"
	"github.com/go-fastpath/fastpath/ruleset"
)

// Lock takes an owner's lock: an empty table that a socket of ours holds, see package runlock. It ends with release or with the process,
// however that ends. Where another holds it, the error matches ErrRunning and names the process as well as that is known; with takeover
// it is asked to leave, until ctx ends, and waited for. Whoever is asked sees lost closed, and holds the lock until release.
//
// It needs CAP_NET_ADMIN and Linux 5.12, which errors tell that match fs.ErrPermission and errors.ErrUnsupported.
func (k *Kernel) Lock(ctx context.Context, owner string, takeover bool) (lost <-chan struct{}, release func() error, err error) {
	lost, release, _, err = k.LockFrom(ctx, owner, takeover)
	return lost, release, err
}

// LockFrom is Lock, and tells at which generation of the ruleset it was taken: the commit that did so led to the next one and changed
// nothing else. 0 is unknown. release leaves the generation alone.
func (k *Kernel) LockFrom(ctx context.Context, owner string, takeover bool) (lost <-chan struct{}, release func() error, from uint32, err error) {
	sock, err := k.dial()
	if err != nil {
		return nil, nil, 0, err
	}
	e := &entrant{k: k, sock: sock, owner: owner, comment: runlock.Comment(owner, os.Getpid(), time.Now().UTC().Format(time.RFC3339))}
	if from, err = e.enter(ctx, takeover); err != nil {
		return nil, nil, 0, errors.Join(err, sock.Close())
	}
	h := k.hold(sock, owner)
	return h.lost, h.release, from, nil
}

// An entrant wants the lock. What it makes is held by its socket, and goes with it.
type entrant struct {
	k              *Kernel
	sock           *nlsock.Socket
	owner, comment string
	asking         bool // the request stands
}

// How long a lock is tried to be taken that is free when one looks and taken when one takes it, and how often of that at a known generation.
const (
	maxPinned = 3
	maxMissed = 20
	longPause = 8 // the pauses of one who waits grow no further: 64 ms
)

// enter takes the lock, and with takeover waits for it.
func (e *entrant) enter(ctx context.Context, takeover bool) (from uint32, err error) {
	var before *rival
	for try, missed := 0, 0; ; try++ {
		if err := pause(ctx, min(try, longPause)); err != nil {
			return 0, e.gaveUp(before, err)
		}
		now, err := e.rival(ctx)
		switch {
		case ctx.Err() != nil:
			return 0, e.gaveUp(before, ctx.Err())
		case err != nil:
			return 0, err
		case now == nil:
			if from, err = e.take(ctx, missed < maxPinned); err == nil {
				return from, nil
			}
			if missed++; !cameBetween(err) || missed > maxMissed {
				return 0, e.explain(err)
			}
			continue
		}
		before, missed = now, 0
		if !takeover || !before.Owned {
			return 0, e.refused(before)
		}
		if err := e.ask(ctx); err != nil {
			return 0, err
		}
	}
}

// refused is the error of one who does not wait.
func (e *entrant) refused(before *rival) error {
	switch {
	case !before.Owned:
		return fmt.Errorf("%w or seems to be: the table inet %s is in the way in %s, which no process holds; delete it with `nft delete table inet %s`",
			ErrRunning, before.table, e.k.ns.Label(), before.table)
	case before.asks:
		return fmt.Errorf("%w: %s is about to take over owner %q in %s; wait for it, or end it", ErrRunning, e.k.whoHas(before), e.owner, e.k.ns.Label())
	}
	return fmt.Errorf("%w: %s does so for owner %q in %s; end it, or ask for a takeover", ErrRunning, e.k.whoHas(before), e.owner, e.k.ns.Label())
}

// gaveUp is the error of one who waited in vain.
func (e *entrant) gaveUp(before *rival, err error) error {
	switch {
	case before == nil:
		return fmt.Errorf("wait for the lock of owner %q in %s: %w", e.owner, e.k.ns.Label(), err)
	case before.asks:
		return fmt.Errorf("wait until %s takes over owner %q in %s: %w; end it if it does not move", e.k.whoHas(before), e.owner, e.k.ns.Label(), err)
	}
	return fmt.Errorf("wait until %s leaves the lock of owner %q in %s: %w; end it if it does not move", e.k.whoHas(before), e.owner, e.k.ns.Label(), err)
}

// take takes the lock if it is free, at the present generation if that is to be known.
func (e *entrant) take(ctx context.Context, pinned bool) (from uint32, err error) {
	if pinned {
		if from, err = e.k.GenerationID(ctx); err != nil {
			return 0, err
		}
	}
	return from, e.send(ctx, runlock.Take(e.owner, e.comment, e.asking, from))
}

// cameBetween reports that somebody committed since one looked, or has the lock now or asks for it.
func cameBetween(err error) bool {
	first := refusalOf(err)
	return first.Message == 0 && first.Errno == erestart || first.Message > 0 && isTaken(first)
}

// ask makes the request, unless it stands or somebody else's does.
func (e *entrant) ask(ctx context.Context) error {
	if e.asking {
		return nil
	}
	err := e.send(ctx, runlock.Ask(e.owner, e.comment))
	if first := refusalOf(err); err != nil && !(first.Message > 0 && isTaken(first)) {
		return e.explain(err)
	}
	e.asking = err == nil
	return nil
}

func (e *entrant) send(ctx context.Context, b runlock.Batch) error {
	return verdict(e.sock.Commit(ctx, b.Bytes, b.Messages))
}

// erestart is ERESTART, for BATCH_BEGIN: the generation moved on (include/linux/errno.h; the kernel keeps it to itself elsewhere).
const erestart = 85

// isTaken reports that the table is there: the socket that owns it lets nobody near, or no socket owns it.
func isTaken(r ruleset.Refusal) bool {
	return r.Errno == int(unix.EPERM) || r.Errno == int(unix.EEXIST)
}

func refusalOf(err error) ruleset.Refusal {
	var refused *ruleset.CommitError
	if errors.As(err, &refused) && len(refused.Refusals) > 0 {
		return refused.Refusals[0]
	}
	return ruleset.Refusal{}
}

// explain gives a refusal its object and next step.
func (e *entrant) explain(err error) error {
	doing := fmt.Sprintf("take the lock of owner %q", e.owner)
	if first := refusalOf(err); first.Message > 0 && (first.Errno == int(unix.EOPNOTSUPP) || first.Errno == int(unix.EINVAL)) {
		return fmt.Errorf("%s in %s: %w by this kernel: the lock is a table with `flags owner`, which Linux 5.12 brought: %w",
			doing, e.k.ns.Label(), errors.ErrUnsupported, err)
	}
	if first := refusalOf(err); first.Message == 0 && first.Errno == int(unix.EPERM) {
		err = unix.EPERM
	}
	return e.k.explain(doing, err)
}
