//go:build !linux

package offload

import (
	"context"
	"errors"
	"log/slog"
)

func checkWatchdog([]string) error { return errors.ErrUnsupported }

func startProcess(context.Context, []string, string, *watch) (guard, error) {
	return nil, errors.ErrUnsupported
}

// Watchdog is the other process of ApplyConfirm; there is none but on Linux.
func Watchdog(context.Context, *slog.Logger) error { return errors.ErrUnsupported }
