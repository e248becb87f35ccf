package testns

import (
	"context"
	"fmt"
	"sync"
)

// A Swarm is many short connections from the client, a few at a time. Every zero field but Flows and Dial is the recommended default.
type Swarm struct {
	Flows    int                    // how many
	Dial     func(i int) DialConfig // of the i-th
	Workers  int                    // connections at a time; zero means 4
	Messages int                    // round trips of each before and after Between; zero means 2
	Size     int                    // of a message in bytes, at most 1400, that TCP sends it as one segment; zero means 200

	// Between is called in the middle of each flow, when none of its packets is on the way but acknowledgements of TCP. Nil does nothing.
	Between func(ctx context.Context, i int, f *Flow) error
}

// Swarm sends all of it from the client and returns what was sent and received, by network. What came over UDP the servers know; see
// Server.Datagrams. The first error ends it.
func (r *Router) Swarm(ctx context.Context, s Swarm) (map[string]Traffic, error) {
	s.Workers, s.Messages, s.Size = orDefault(s.Workers, 4), orDefault(s.Messages, 2), max(orDefault(s.Size, 200), MinSize)
	if s.Size > maxOneRound {
		return nil, fmt.Errorf("testns: messages of %d bytes in a swarm: at most %d", s.Size, maxOneRound)
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	next := make(chan int)
	total := map[string]Traffic{}
	var mu sync.Mutex
	var workers sync.WaitGroup
	for range s.Workers {
		workers.Go(func() {
			for i := range next {
				t, network, err := r.swarmOne(ctx, &s, i)
				if err != nil {
					stop(err)
				}
				mu.Lock()
				sum := total[network]
				sum.Add(t)
				total[network] = sum
				mu.Unlock()
			}
		})
	}
	for i := 0; i < s.Flows && ctx.Err() == nil; i++ {
		next <- i
	}
	close(next)
	workers.Wait()
	return total, context.Cause(ctx)
}

// swarmOne is one connection from its beginning to its end.
func (r *Router) swarmOne(ctx context.Context, s *Swarm, i int) (t Traffic, network string, err error) {
	c := s.Dial(i)
	f, err := Dial(ctx, r.Client, c)
	if err != nil {
		return t, c.Network, err
	}
	defer f.Close()
	for part := range 2 {
		talk, err := f.RoundTrip(ctx, s.Messages, s.Size)
		if err != nil {
			return t, c.Network, err
		}
		if c.Network == "udp" {
			n := uint64(talk.Messages + talk.Resent)
			t.Sent.add(Counter{Packets: n, Bytes: n * uint64(s.Size+udpHeaders(c.To.Addr()))})
		}
		if part == 0 && s.Between != nil {
			if err := s.Between(ctx, i, f); err != nil {
				return t, c.Network, err
			}
		}
	}
	if c.Network == "tcp" {
		t, err = f.FinishCounted(ctx)
	}
	return t, c.Network, err
}
