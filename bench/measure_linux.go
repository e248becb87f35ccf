package main

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"
)

// A sample is the cost of one run.
type sample struct {
	wall, cpu time.Duration // cpu is user and system time, of all threads
	allocs    uint64        // of Go; 0 for other programs
}

// timed measures a function of this process. Garbage of those before it is collected first.
func timed(f func() error) (sample, error) {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, start := processTime(), time.Now()
	err := f()
	s := sample{wall: time.Since(start), cpu: processTime() - cpu}
	runtime.ReadMemStats(&after)
	s.allocs = after.Mallocs - before.Mallocs
	return s, err
}

// processTime is what this process has used of the processors.
func processTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A series is every sample of one contestant.
type series struct {
	name    string
	samples []sample
}

// wall is the median of the time on the clock.
func (s *series) wall() time.Duration { return median(s.samples, sampleWall) }

// cpu is the median of the time on the processors.
func (s *series) cpu() time.Duration { return median(s.samples, sampleCPU) }

// allocs is the median number of allocations.
func (s *series) allocs() uint64 {
	return median(s.samples, func(s sample) uint64 { return s.allocs })
}

func sampleWall(s sample) time.Duration { return s.wall }
func sampleCPU(s sample) time.Duration  { return s.cpu }

func sorted[T cmp.Ordered](samples []sample, of func(sample) T) []T {
	values := make([]T, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	slices.Sort(values)
	return values
}

func median[T cmp.Ordered](samples []sample, of func(sample) T) T {
	values := sorted(samples, of)
	return values[len(values)/2]
}

// ratio compares two medians of the clock.
func ratio(a, b *series) float64 { return float64(a.wall()) / float64(b.wall()) }

// writeSeries prints a table: least, median and greatest time, and how the medians stand to that of the last series.
func writeSeries(w io.Writer, title string, all []*series) {
	fmt.Fprintf(w, "\n%s, %d rounds in turn\n", title, len(all[0].samples))
	last := all[len(all)-1]
	t := tabwriter.NewWriter(w, 2, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "min ms\tmedian ms\tmax ms\tmedian cpu ms\tratio\tcpu ratio\t  \n")
	for _, s := range all {
		walls := sorted(s.samples, sampleWall)
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%.2f\t%.2f\t  %s\n", ms(walls[0]), ms(s.wall()), ms(walls[len(walls)-1]), ms(s.cpu()),
			ratio(s, last), float64(s.cpu())/float64(last.cpu()), s.name)
	}
	t.Flush()
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d)/1e6) }
