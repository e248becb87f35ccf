package offload_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// TestSoakRename renames the two devices of a flowtable to and fro while connections run through it and Run keeps it: no connection breaks, each
// is in the fast path again under the new name, and the kernel has nothing to complain of. It goes on for FASTPATH_SOAK (make
// soak), or for two rounds.
func TestSoakRename(t *testing.T) {
	testns.CheckLeaks(t)
	l := newLab(t, nil)
	var err error
	l.manager, err = offload.Open(t.Context(), &offload.Config{NetNS: l.NS.Path(), Run: offload.RunConfig{MaxChanges: -1}})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, l.manager.Close()) })
	kernel := complaintsFrom(t)
	for _, device := range []string{l.LANDevice, l.WANDevice} {
		require.NoError(t, l.NS.IP(t.Context(), "link set "+device+" group 7"))
	}
	l.runs(t, accelerate(ruleset.Inet, flowtable.Spec{Name: "fast", Devices: []flowtable.Selector{{Group: 7}}}))
	l.serves(t, l.LANDevice, l.WANDevice)
	talking, proven := l.DialT(t, "tcp", testns.IPv4), l.DialT(t, "tcp", testns.IPv4)
	background := talking.Start(50, 100)
	testns.AssertSoftwarePath(t, l.Router, proven, within)

	lan, wan, renames := l.LANDevice, l.WANDevice, 0
	for round, end := 0, soakUntil(t); round < 2 || time.Now().Before(end); round++ {
		for _, device := range []*string{&lan, &wan} {
			was := *device
			*device = fmt.Sprintf("%.3s%d", was, round%7+1)
			l.rename(t, was, *device, round%2 == 0)
			renames++
			if round%3 == 2 { // and again before anybody looks
				l.rename(t, *device, was, true)
				*device = was
			}
		}
		l.serves(t, lan, wan)
		talk(t, proven, 3, 100)
		testns.AssertSoftwarePath(t, l.Router, proven, within)
		require.NoError(t, background.Report().Err, "the connection that talks meanwhile")
	}
	report := background.Close()
	require.NoError(t, report.Err)
	assert.Positive(t, report.Received)
	t.Logf("%d renames, %d answers, the longest gap %v", renames, report.Received, report.LongestGap)
	l.rename(t, lan, l.LANDevice, true)
	l.rename(t, wan, l.WANDevice, true)
	l.serves(t, l.LANDevice, l.WANDevice)
	kernel.assertNone(t)
}

// serves waits until Run has just these devices in the flowtable.
func (l *lab) serves(t *testing.T, devices ...string) {
	t.Helper()
	until(t, l.manager, func(s *offload.Status) bool {
		for _, d := range devices {
			if !has(s, d, flowtable.Bound) {
				return false
			}
		}
		return s.Phase == offload.PhaseSteady && len(s.Devices) == len(devices)
	})
}

// rename gives a device another name: while it is up, as kernels let since 6.2, or else while it is down.
func (l *lab) rename(t *testing.T, from, to string, up bool) {
	t.Helper()
	if from == to {
		return
	}
	if up && l.NS.IP(t.Context(), "link set dev "+from+" name "+to) == nil {
		return
	}
	require.NoError(t, l.NS.IP(t.Context(), "link set dev "+from+" down", "link set dev "+from+" name "+to, "link set dev "+to+" up"))
}

// complaints are what the kernel says of its own state: its taint, and warnings in its log behind a mark that we made.
type complaints struct{ taint, mark string }

func complaintsFrom(t *testing.T) complaints {
	t.Helper()
	c := complaints{taintOf(t), fmt.Sprintf("fastpath test %s began at %d", t.Name(), time.Now().UnixNano())}
	require.NoError(t, os.WriteFile("/dev/kmsg", []byte("<6>"+c.mark+"\n"), 0))
	return c
}

// assertNone expects that there is nothing new.
func (c complaints) assertNone(t *testing.T) {
	t.Helper()
	assert.Equal(t, c.taint, taintOf(t), "the kernel's taint")
	buffer := make([]byte, 1<<20)
	const readAll = 3 // SYSLOG_ACTION_READ_ALL
	n, err := unix.Klogctl(readAll, buffer)
	require.NoError(t, err)
	_, log, found := strings.Cut(string(buffer[:n]), c.mark)
	require.True(t, found, "the kernel's log is too short to tell")
	assert.Empty(t, regexp.MustCompile(`(?m)^.*(WARNING|BUG|Oops|Call Trace|refcount|use-after-free|rcu.*stall).*$`).FindAllString(log, -1))
}

func taintOf(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/sys/kernel/tainted")
	require.NoError(t, err)
	return strings.TrimSpace(string(text))
}
