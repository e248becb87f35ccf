//go:build !linux

package offload

import (
	"errors"
	"fmt"
)

func openKernel(string) (Kernel, error) {
	return nil, fmt.Errorf("%w: this system has no nf_tables; set Config.Kernel", errors.ErrUnsupported)
}
