package offload

import "github.com/go-fastpath/fastpath/internal/kernel"

func openKernel(netns string) (Kernel, error) { return kernel.Open(netns) }
