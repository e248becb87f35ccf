package offload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-fastpath/fastpath/ruleset"
)

// A watch is what a watchdog knows of the change that it watches over. It goes from one process to another as JSON.
type watch struct {
	Mark       ruleset.Unconfirmed `json:"mark"`
	Window     time.Duration       `json:"window"`
	Backup     *ruleset.Backup     `json:"backup"`
	Accounting string              `json:"accounting,omitempty"` // nf_conntrack_acct before, "" is not to be touched
}

// News are what a watchdog hears from the process that applies. The end of the news is the end of that process.
type news struct {
	Stands  bool   `json:"stands,omitempty"`  // the change is in force
	Applied string `json:"applied,omitempty"` // its fingerprint; "" where it could not be read
	Done    bool   `json:"done,omitempty"`    // it was confirmed, taken back or never made
}

// keep waits for the window's end, and takes the change back then if it still bears its mark. It also ends when the news say so. What
// hurries it, as the end of the system does, takes the change back at once.
func (w *watch) keep(ctx context.Context, m *Manager, heard <-chan news, hurry <-chan struct{}) error {
	timer := time.NewTimer(w.Window)
	defer timer.Stop()
	how := ruleset.Restoration{Mark: &w.Mark}
	came := false // the change is in force, or was
	late := false // the time is over, and the change may still come
	for {
		select {
		case n, alive := <-heard:
			switch {
			case n.Done:
				return nil
			case n.Stands:
				how.Fingerprint = n.Applied
				came, late = true, false
				timer.Reset(w.Window)
			case !alive:
				heard = nil
				if late {
					return w.end(ctx, m, how)
				}
				if how.Fingerprint == "" {
					how.Fingerprint = w.look(ctx, m)
				}
			}
		case <-timer.C:
			if heard != nil && !came && !w.marked(ctx, m) {
				late = true
				continue
			}
			return w.end(ctx, m, how)
		case <-hurry:
			return w.end(ctx, m, how)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// look is the fingerprint of what the process left that died without telling; "" if it cannot be read.
func (w *watch) look(ctx context.Context, m *Manager) string {
	have, err := m.load(ctx, w.Mark.Owner)
	if err != nil {
		return ""
	}
	return w.Backup.Fingerprint(have)
}

// marked reports whether the change is there; if nobody can tell, it may be.
func (w *watch) marked(ctx context.Context, m *Manager) bool {
	have, err := m.load(ctx, w.Mark.Owner)
	if err != nil {
		return true
	}
	is, waits := have.Unconfirmed(w.Mark.Owner)
	return waits && is == w.Mark
}

// maxRollbackPause is for the pause before a change is tried again to be taken back.
const maxRollbackPause = 15 * time.Second

// end takes the change back, unless it was confirmed. It tries again, with growing pauses, as long as the mark of the
// change stands; it went with a namespace that was deleted.
func (w *watch) end(ctx context.Context, m *Manager, how ruleset.Restoration) error {
	for n := 0; ; n++ {
		err := m.takeBack(ctx, w, how)
		switch {
		case errors.Is(err, ErrNotUnconfirmed):
			m.log.InfoContext(ctx, "the change was confirmed, or it was never made", "owner", w.Mark.Owner)
			return nil
		case err == nil, errors.Is(err, ErrTablesChanged), errors.Is(err, ErrNotEvicted), errors.Is(err, ErrNamespaceGone):
			return err
		}
		m.log.WarnContext(ctx, "not taken back yet", "owner", w.Mark.Owner, "err", err)
		if err := pause(ctx, min(time.Duration(n)*time.Second, maxRollbackPause)); err != nil {
			return err
		}
	}
}

// takeBack restores what there was before a change, and lifts its mark, as one transaction.
func (m *Manager) takeBack(ctx context.Context, w *watch, how ruleset.Restoration) error {
	have, err := m.load(ctx, w.Mark.Owner)
	if err != nil {
		return err
	}
	if how.Exists, err = m.devicesThatExist(ctx); err != nil {
		return err
	}
	back, err := w.Backup.Restore(have, how)
	if err != nil {
		return fmt.Errorf("offload: take the change back: %w", err)
	}
	_, err = m.Apply(ctx, back)
	if err != nil && !errors.Is(err, ErrNotEvicted) {
		m.log.WarnContext(ctx, "once more, without evicting flows", "err", err)
		if err := m.lock(ctx); err != nil {
			return fmt.Errorf("offload: take the change back: %w", err)
		}
		_, _, err = m.commit(ctx, back)
		m.unlock()
	}
	if err != nil && !errors.Is(err, ErrNotEvicted) {
		return err
	}
	m.log.WarnContext(ctx, "a change that nobody confirmed was taken back", "owner", w.Mark.Owner)
	_, restoreErr := accounting{m: m, before: w.Accounting}.restore(ctx)
	return errors.Join(err, restoreErr)
}

// devicesThatExist tells which devices are there; nil where kernels take flowtables with others.
func (m *Manager) devicesThatExist(ctx context.Context) (func(string) bool, error) {
	target, err := m.target(ctx, false, false)
	if err != nil || target.Kernel.ByName {
		return nil, err
	}
	names := map[string]bool{}
	for _, l := range target.Links {
		names[l.Name] = true
	}
	return func(device string) bool { return names[device] }, nil
}
