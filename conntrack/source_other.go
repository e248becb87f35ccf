//go:build !linux

package conntrack

import (
	"context"
	"errors"
	"fmt"
)

func openKernel(context.Context, *Config) (Source, error) {
	return nil, fmt.Errorf("conntrack: %w: this system has no conntrack table; set Config.Source", errors.ErrUnsupported)
}
