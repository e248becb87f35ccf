package offload_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
)

// TestSoakStorm takes a device down and up, and makes and deletes others, as fast as the ip tool can: afterwards flows through the device
// and through one that comes last take the fast path, a flow of others never left it, the flowtable is the same, and nothing leaked.
// With FASTPATH_SOAK (make soak) a device goes down and up 1,000 times and 150 are made and deleted, else a few.
func TestSoakStorm(t *testing.T) {
	flaps, devices := 60, 12
	if os.Getenv("FASTPATH_SOAK") != "" {
		flaps, devices = 1000, 150
	}
	l := newLifecycle(t, flowtable.Selector{Group: visitors})
	v := l.visit(t, 10)
	l.reaches(t, v, true)
	last := l.visit(t, 30)
	l.reaches(t, last, true)
	descriptors, goroutines := held(t)
	changes := l.await(t, "a Status", func(s *offload.Status) bool { return s.Phase == offload.PhaseSteady }).Changes

	l.undisturbed(t, "the storm", func() {
		start := time.Now()
		require.NoError(t, l.NS.IP(t.Context(), stormOf(flaps, devices)...))
		took := time.Since(start)
		require.NoError(t, l.NS.IP(t.Context(), "link del "+last.device))
		last.plug(t, l)
		proven := l.reaches(t, last, true)
		again := l.reaches(t, v, true)
		s := l.await(t, "the end", func(s *offload.Status) bool { return s.Phase == offload.PhaseSteady })
		t.Logf("%s: %d times down and up, %d made and deleted, in %v: proven by packets %v after the last event (and %v for the other device), %d commits",
			l.kernel.Text, flaps, devices, took.Round(time.Millisecond), proven.Round(time.Millisecond), again.Round(time.Millisecond), s.Changes-changes)
		assert.Empty(t, s.Err)
	})
	assert.ElementsMatch(t, names(l.LANDevice, l.WANDevice, v.device, last.device), l.listed(t))
	notLeaked(t, descriptors, goroutines)
}

// stormOf are the commands, mixed.
func stormOf(flaps, devices int) []string {
	var commands []string
	for i := range flaps {
		commands = append(commands, "link set dev dyn10 down", "link set dev dyn10 up")
		if i < devices {
			commands = append(commands, fmt.Sprintf("link add storm%d group %d type veth peer name peer%d", i, visitors, i))
		}
		if gone := i - 3; gone >= 0 && gone < devices { // some live for a while
			commands = append(commands, fmt.Sprintf("link del storm%d", gone))
		}
	}
	return commands
}

// TestRunBindsHundreds puts more devices into a flowtable than one message takes (255), and takes them out again.
func TestRunBindsHundreds(t *testing.T) {
	const hundreds = 300
	l := newLifecycle(t, flowtable.Selector{Group: visitors})
	var made []string
	for i := range hundreds {
		made = append(made, fmt.Sprintf("link add many%d group %d type dummy", i, visitors))
	}
	bound := func(n int) func(*offload.Status) bool {
		return func(s *offload.Status) bool {
			found := 0
			for _, d := range s.Devices {
				if d.State == flowtable.Bound {
					found++
				}
			}
			return found == n && s.Phase == offload.PhaseSteady
		}
	}
	l.undisturbed(t, "many devices", func() {
		require.NoError(t, l.NS.IP(t.Context(), made...))
		s := l.await(t, "all devices", bound(hundreds+2))
		assert.Len(t, l.listed(t), hundreds+2)
		v := l.visit(t, 40)
		t.Logf("%s: %d devices by %d commits; one more is proven after %v", l.kernel.Text, hundreds, s.Changes, l.reaches(t, v, true))
		require.NoError(t, l.manager.Update(l.declared()))
		l.await(t, "two devices", bound(2))
		assert.ElementsMatch(t, names(l.LANDevice, l.WANDevice), l.listed(t))
		l.reaches(t, v, false)
	})
}

// TestRunRepairsAFlush lets someone else flush the ruleset under traffic.
func TestRunRepairsAFlush(t *testing.T) {
	l := newLifecycle(t)
	changes := l.await(t, "a Status", func(s *offload.Status) bool { return s.Phase == offload.PhaseSteady }).Changes
	traffic := l.steady.Start(20, 100)
	start := time.Now()
	_, err := l.NS.Run(t.Context(), "", "nft", "flush", "ruleset")
	require.NoError(t, err)
	s := l.await(t, "the repair", func(s *offload.Status) bool { return s.Phase == offload.PhaseSteady && s.Changes > changes })
	took := time.Since(start)
	assert.Less(t, took, 10*time.Second)
	assert.NotEmpty(t, s.Drift, "the Manager says what was changed")
	report := traffic.Close()
	require.NoError(t, report.Err)
	assert.ElementsMatch(t, names(l.LANDevice, l.WANDevice), l.listed(t))
	l.dialFast(t, "tcp", testns.IPv4)
	t.Logf("%s: flushed by another, repaired %v after nft was started", l.kernel.Text, took.Round(time.Millisecond))
}
