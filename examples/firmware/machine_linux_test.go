package main

import (
	"encoding/binary"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// thisOrder is the byte order of this machine, as -order names it.
func thisOrder() string {
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		return "big"
	}
	return "little"
}

// requireSimulator skips a test that asks drivers for hardware offload, unless the simulator stands behind them. The micro VM
// has the simulator, or the test fails.
func requireSimulator(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/sys/module/fastpath_hwsim"); err != nil {
		require.Empty(t, os.Getenv("FASTPATH_VM"), "the simulator of hardware offload is not loaded")
		t.Skip("no driver is asked for hardware offload without the simulator:", err)
	}
}
