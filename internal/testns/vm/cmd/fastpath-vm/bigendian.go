package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/go-fastpath/fastpath/internal/testns/vm"
)

// bigEndian loads images that are built on this machine on kernels of other processors, and ends with one line for each.
func bigEndian(ctx context.Context, a *app, _ []string) int {
	if err := vm.EnsureTools(ctx, a.say); err != nil {
		return a.report(err)
	}
	names := vm.ForeignSelectors()
	if a.kernel != "" {
		names = strings.Split(a.kernel, ",")
	}
	m := &vm.Matrix{Cache: a.cache, Module: a.module, Options: a.options, Out: a.stdout}
	sums := m.RunImages(ctx, names)
	for _, s := range sums {
		fmt.Fprintln(a.stdout, s)
	}
	return codeOf(sums)
}
