package conntrack

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"sync"
	"time"
)

// announced names the flowtable that a bit of the ct mark stands for; see Config.Announced.
type announced struct {
	mask  uint32
	names map[uint32]string
}

func newAnnounced(names map[uint32]string) (announced, error) {
	a := announced{names: make(map[uint32]string, len(names))}
	var errs []error
	for bit, name := range names {
		if bits.OnesCount32(bit) != 1 || name == "" {
			errs = append(errs, fmt.Errorf("conntrack: Config.Announced: %#x is to be one bit of the mark and %q the name of a flowtable", bit, name))
		}
		a.mask |= bit
		a.names[bit] = name
	}
	return a, errors.Join(errs...)
}

// flowtable is the one that e's mark names. The bit stays set when a connection leaves the fast path, so it says nothing of a slow one;
// and of two bits nobody knows which was set last.
func (a *announced) flowtable(status Status, mark uint32) string {
	if a.mask == 0 || status.Path() == Slow {
		return ""
	}
	return a.names[mark&a.mask]
}

// A naming is what bits announce now: what Config.Announced says, or what Config.AnnouncedNow said last.
type naming struct {
	ask     func(ctx context.Context) map[uint32]string // nil is who needs not be asked
	patient bool                                        // the table is read more seldom where something is announced

	mu    sync.Mutex
	asked time.Time
	now   announced
}

// askEvery is the least time between two questions while notifications come.
const askEvery = 100 * time.Millisecond

// newNaming is that of a Config as the caller wrote it.
func newNaming(cfg *Config) (*naming, error) {
	if cfg == nil {
		return &naming{}, nil
	}
	now, err := newAnnounced(cfg.Announced)
	return &naming{ask: cfg.AnnouncedNow, patient: cfg.AnnouncedNow != nil && cfg.Poll == 0, now: now}, err
}

// current is what is announced, asked for unless that was done a moment ago.
func (n *naming) current(ctx context.Context, moment time.Duration) (announced, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ask == nil || moment > 0 && time.Since(n.asked) < moment {
		return n.now, nil
	}
	now, err := newAnnounced(n.ask(ctx))
	if err != nil {
		return announced{}, err
	}
	n.now, n.asked = now, time.Now()
	return now, nil
}

// flowtable is the one that a connection's mark names.
func (n *naming) flowtable(ctx context.Context, e *Entry) (string, error) {
	if e.Path() == Slow {
		return "", nil
	}
	now, err := n.current(ctx, askEvery)
	return now.flowtable(e.Status, e.Mark), err
}

// poll is the least pause between two readings, where Config says poll.
func (n *naming) poll(poll time.Duration) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.patient && n.now.mask != 0 {
		return max(poll, defaultPollAnnounced)
	}
	return poll
}
