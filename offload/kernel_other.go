//go:build !linux

package offload

import (
	"errors"
	"fmt"
)

// OpenKernel opens this machine's Kernel, which is there on Linux alone.
func OpenKernel(string) (Kernel, error) {
	return nil, fmt.Errorf("%w: this system has no nf_tables; set Config.Kernel", errors.ErrUnsupported)
}
