package conntrack

import (
	"context"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// OpenSource is the Source of a namespace of this machine.
func OpenSource(ctx context.Context, ns *testns.Namespace) (Source, error) {
	c, err := (&Config{NetNS: ns.Path()}).withDefaults()
	if err != nil {
		return nil, err
	}
	return openKernel(ctx, &c)
}
