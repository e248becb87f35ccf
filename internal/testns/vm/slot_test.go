package vm

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMachinesByProcessors(t *testing.T) {
	for processors, want := range map[int]int{1: 1, 2: 3, 3: 4, 4: 6} {
		require.Equal(t, want, machines(processors), "%d processors", processors)
	}
}
