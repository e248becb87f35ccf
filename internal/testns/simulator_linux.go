package testns

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// simulator is where the hardware-offload simulator of the virtual machine (vm/hwsim) keeps its parameters.
const simulator = "/sys/module/fastpath_hwsim/parameters"

// noSimulatorVariable is set, to the reason, by a virtual machine whose kernel the simulator cannot be built for.
const noSimulatorVariable = "FASTPATH_NO_SIMULATOR"

// RequireSimulator skips the test where the hardware-offload simulator is not loaded: after a driver's refusal kernels crash when the next
// driver registers, so nothing else may be asked for hardware. A virtual machine has it, or the test fails, unless it says why it cannot.
func RequireSimulator(tb TB) {
	tb.Helper()
	if _, err := os.Stat(simulator); err != nil {
		if reason := os.Getenv(noSimulatorVariable); reason != "" {
			tb.Skipf("not on this kernel: %s", reason)
			return
		}
		skip(tb, "the simulator of hardware offload is not loaded (make test has it): %v", err)
	}
}

// Simulator reads a number of the hardware-offload simulator, such as n_stats; see vm/hwsim/README.md.
func Simulator(parameter string) (int, error) {
	data, err := os.ReadFile(filepath.Join(simulator, parameter))
	if err != nil {
		return 0, fmt.Errorf("testns: read the simulator's %s: %w", parameter, err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return 0, fmt.Errorf("testns: read the simulator's %s: %w", parameter, err)
	}
	return n, nil
}

// SetSimulatorT writes a parameter of the hardware-offload simulator and restores it when the test ends. It is global to the machine.
func SetSimulatorT(tb TB, parameter string, value int) {
	tb.Helper()
	old, err := Simulator(parameter)
	if err == nil {
		err = setSimulator(parameter, value)
	}
	if err != nil {
		tb.Fatalf("%v", err)
		return
	}
	closeAtEnd(tb, func() error { return setSimulator(parameter, old) })
}

func setSimulator(parameter string, value int) error {
	if err := os.WriteFile(filepath.Join(simulator, parameter), []byte(strconv.Itoa(value)), 0o644); err != nil {
		return fmt.Errorf("testns: set the simulator's %s to %d: %w", parameter, value, err)
	}
	return nil
}
