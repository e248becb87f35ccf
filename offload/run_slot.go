package offload

import (
	"context"
	"sync"
)

// Runs lets one Run at a time work with a Manager.
type runs struct {
	mu     sync.Mutex
	run    *run
	cancel context.CancelCauseFunc
	left   chan struct{} // closed when run has left
}

func (s *runs) current() *run {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.run
}

// enter takes the place. Where another has it, it is asked to leave, with RunConfig.Takeover, and waited for.
func (s *runs) enter(ctx context.Context, r *run, cancel context.CancelCauseFunc) (leave func(), err error) {
	for {
		s.mu.Lock()
		if s.run == nil {
			left := make(chan struct{})
			s.run, s.cancel, s.left = r, cancel, left
			s.mu.Unlock()
			return func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.run, s.cancel = nil, nil
				close(left)
			}, nil
		}
		stop, left := s.cancel, s.left
		s.mu.Unlock()
		if !r.cfg.Takeover {
			return nil, ErrRunning
		}
		stop(ErrTakenOver)
		select {
		case <-left:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// lock takes the owner's lock, where the Kernel has one. Who loses it to another stops.
func (r *run) lock(ctx context.Context, cancel context.CancelCauseFunc) (release func() error, err error) {
	if r.cfg.Observe {
		return func() error { return nil }, nil
	}
	k, ok := r.m.kernel.(Lockable)
	if !ok {
		return func() error { return nil }, nil
	}
	lost, release, from, err := k.LockFrom(ctx, r.owner, r.cfg.Takeover)
	if err != nil {
		return nil, err
	}
	if from != 0 {
		r.m.memory.advance(from, next(from), false)
	}
	r.background.Go(func() {
		select {
		case <-lost:
			cancel(ErrTakenOver)
		case <-ctx.Done():
		}
	})
	return release, nil
}
