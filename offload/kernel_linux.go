package offload

import (
	"context"
	"iter"

	"github.com/go-fastpath/fastpath/internal/kernel"
)

func openKernel(netns string) (Kernel, error) {
	k, err := kernel.Open(netns)
	if err != nil {
		return nil, err
	}
	return machine{k}, nil
}

// machine is this machine's kernel, with the types of this package. What it can do beside what a Kernel has to, it can by the methods of
// the kernel that it embeds.
type machine struct{ *kernel.Kernel }

// Events translates.
func (m machine) Events(ctx context.Context, cfg EventConfig) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for e, err := range m.Kernel.Events(ctx, cfg.Routes) {
			if !yield(Event{Kind: EventKind(e.Kind), Device: e.Device, Generation: e.Generation, What: e.What}, err) {
				return
			}
		}
	}
}
