package conntrack

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// An end is dated by the kernel's last word of the connection, all else by the notification, and what was read not at all.
func TestChangeAt(t *testing.T) {
	began, event, stop := time.Unix(10, 1).UTC(), time.Unix(20, 2).UTC(), time.Unix(19, 3).UTC()
	dated := func(change func(*Entry)) Entry {
		e := flowNumber(1, slow, 1)
		e.Start = began
		change(&e)
		return e
	}
	for _, c := range []struct {
		change Change
		want   time.Time
	}{
		{Change{Kind: New, Entry: dated(func(e *Entry) { e.Event = event })}, event},
		{Change{Kind: New, Entry: dated(func(*Entry) {})}, time.Time{}},
		{Change{Kind: PathChanged, Entry: dated(func(e *Entry) { e.Event = event })}, event},
		{Change{Kind: Destroyed, Entry: dated(func(e *Entry) { e.Event, e.Stop = event, stop })}, stop},
		{Change{Kind: Destroyed, Entry: dated(func(e *Entry) { e.Stop = stop })}, stop},
		{Change{Kind: Destroyed, Entry: dated(func(e *Entry) { e.Event = event })}, event},
		{Change{Kind: Destroyed, Lost: true, Entry: dated(func(*Entry) {})}, time.Time{}},
		{Change{Kind: Synced}, time.Time{}},
	} {
		assert.Equal(t, c.want, c.change.At(), "%v", c.change)
	}
}

// A connection whose beginning was missed began when its last message says.
func TestChangeAtOfAMissedBeginning(t *testing.T) {
	e := flowNumber(1, slow, 3)
	e.Start, e.Stop, e.Event = time.Unix(10, 0).UTC(), time.Unix(20, 0).UTC(), time.Unix(21, 0).UTC()
	came := Change{Kind: New, Entry: e.uncounted()}
	assert.Equal(t, e.Start, came.At())
	assert.Zero(t, came.Entry.Stop)
}
