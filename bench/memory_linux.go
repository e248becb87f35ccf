package main

import (
	"fmt"
	"os"
	"runtime/metrics"
	"strings"
	"time"
)

// resident is the memory of a process that is in RAM, now and at most so far, in bytes. The kernel's ru_maxrss would count what the process
// that started it had.
func resident(pid string) (now, peak uint64, err error) {
	text, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(text)) {
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &now); err == nil {
			now <<= 10
		}
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &peak); err == nil {
			peak <<= 10
		}
	}
	if peak == 0 {
		return 0, 0, fmt.Errorf("process %s has no memory", pid)
	}
	return now, peak, nil
}

// watchHeap looks at the heap in use (objects, and what spans that hold some have room for) until the returned function is called, which
// says how much it was at most, in bytes.
func watchHeap() (peak func() uint64) {
	stop, done := make(chan struct{}), make(chan uint64)
	go func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for most := uint64(0); ; {
			most = max(most, readMetrics("/memory/classes/heap/objects:bytes", "/memory/classes/heap/unused:bytes"))
			select {
			case <-tick.C:
			case <-stop:
				done <- most
				return
			}
		}
	}()
	return func() uint64 {
		close(stop)
		return <-done
	}
}

// goMemory is what Go has of the system, less what it gave back, in bytes.
func goMemory() uint64 {
	return readMetrics("/memory/classes/total:bytes") - readMetrics("/memory/classes/heap/released:bytes")
}

// readMetrics adds up metrics of the runtime.
func readMetrics(names ...string) (sum uint64) {
	samples := make([]metrics.Sample, len(names))
	for i, name := range names {
		samples[i].Name = name
	}
	metrics.Read(samples)
	for _, s := range samples {
		sum += s.Value.Uint64()
	}
	return sum
}
