package conntrack_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
)

// readings is a kernel in memory with connections whose counters move without a word, and a Watcher that reads once an hour.
type readings struct {
	*offloadtest.Kernel
	w     *conntrack.Watcher
	flows []conntrack.Entry
	got   []string
}

// unhurried runs a test with it, in a time of its own.
func unhurried(t *testing.T, flows int, status conntrack.Status, test func(t *testing.T, r *readings)) {
	synctest.Test(t, func(t *testing.T) {
		r := &readings{Kernel: offloadtest.New(t, nil)}
		for i := range flows {
			e := udp(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 1000).String(), "192.0.2.1:53", nil)
			e.Status |= status
			e.Sent = conntrack.Counters{Packets: 1, Bytes: 60, OK: true}
			r.flows = append(r.flows, r.AddFlow(e))
		}
		var err error
		r.w, err = conntrack.Open(t.Context(), &conntrack.Config{Source: r.Conntrack(), Poll: time.Hour})
		require.NoError(t, err)
		defer r.w.Close()
		test(t, r)
	})
}

// count has every connection count so many packets more.
func (r *readings) count(packets uint64) {
	for i := range r.flows {
		r.flows[i].Sent.Packets += packets
		r.SetFlow(r.flows[i])
	}
}

// follow notes what a stream tells until told says that it is enough, and ends it.
func (r *readings) follow(t *testing.T, ctx context.Context, m conntrack.Match, told func(c conntrack.Change) (enough bool)) {
	for c, err := range r.w.Changes(ctx, m) {
		require.NoError(t, err)
		if note := c.Kind.String(); c.Kind == conntrack.Counted {
			r.got = append(r.got, fmt.Sprintf("%s +%d", note, c.Delta.Sent.Packets))
		} else if c.Kind != conntrack.New {
			r.got = append(r.got, note)
		}
		if told(c) {
			return
		}
	}
	require.Fail(t, "the stream ended")
}

func TestReadNow(t *testing.T) {
	unhurried(t, 2, 0, func(t *testing.T, r *readings) {
		began := time.Now()
		r.follow(t, t.Context(), conntrack.Match{}, func(c conntrack.Change) bool {
			switch {
			case c.Kind == conntrack.Synced: // no reading begins between the two: this is the stream's own goroutine
				r.count(5)
				r.w.ReadNow()
				r.w.ReadNow()
			case c.Kind == conntrack.Read && time.Since(began) == 0: // the stream goes to its pause of an hour before it is asked
				time.AfterFunc(time.Minute, func() { r.count(7); r.w.ReadNow() })
			}
			return c.Kind == conntrack.Read && time.Since(began) > 0
		})
		assert.Equal(t, []string{"synced", "counted +5", "counted +5", "read", "counted +7", "counted +7", "read"}, r.got)
		assert.Equal(t, time.Minute, time.Since(began))
	})
}

// Asked for while the table is read, it is another reading: this one may have passed what counted since. Asked for before the stream begins,
// the first reading is late enough.
func TestReadNowDuringAReading(t *testing.T) {
	unhurried(t, 2, 0, func(t *testing.T, r *readings) {
		r.w.ReadNow()
		r.follow(t, t.Context(), conntrack.Match{}, func(c conntrack.Change) bool {
			if c.Kind == conntrack.New && c.Entry.ID == r.flows[1].ID {
				r.count(3)
				r.w.ReadNow()
			}
			return c.Kind == conntrack.Read
		})
		assert.Equal(t, []string{"synced", "counted +3", "counted +3", "read"}, r.got)
	})
}

// A monitor that is told to stop while it starts has its last reading all the same.
func TestReadNowBeforeTheLoop(t *testing.T) {
	unhurried(t, 2, 0, func(t *testing.T, r *readings) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Hour)
		defer cancel()
		changes := r.w.Changes(ctx, conntrack.Match{})
		r.w.ReadNow()
		for c, err := range changes {
			require.NoError(t, err)
			if r.got = append(r.got, c.Kind.String()); c.Kind == conntrack.Read {
				break
			}
		}
		assert.Equal(t, []string{"new", "new", "synced", "read"}, r.got)
	})
}

// Connections that the kernel's filter leaves out now are read too, however many there are, and ends without a word are told.
func TestReadNowReadsWhatIsLookedUpInTurn(t *testing.T) {
	const flows = 1100 // more than two readings look up
	unhurried(t, flows, conntrack.Offload, func(t *testing.T, r *readings) {
		m := conntrack.Match{Paths: []conntrack.Path{conntrack.Software}}
		asked, counted := 0, map[uint64]int{}
		r.follow(t, t.Context(), m, func(c conntrack.Change) bool {
			switch c.Kind {
			case conntrack.Counted:
				counted[c.Delta.Sent.Packets]++
			case conntrack.Synced:
				for i := range r.flows {
					r.flows[i].Status &^= conntrack.Offload
				}
				r.count(1)
				r.w.ReadNow()
			case conntrack.Read:
				if asked++; asked == 1 { // all of them are parked by now
					r.count(9)
					r.w.ReadNow()
				}
				return asked == 2
			}
			return false
		})
		assert.Equal(t, flows, counted[9])
	})
}

// A stream that lost notifications tells Read when that is made up for.
func TestReadNowBesideAnOverrun(t *testing.T) {
	unhurried(t, 2, 0, func(t *testing.T, r *readings) {
		first := true
		r.follow(t, t.Context(), conntrack.Match{}, func(c conntrack.Change) bool {
			switch {
			case c.Kind == conntrack.Synced && first:
				r.count(2)
				r.w.ReadNow()
			case c.Kind == conntrack.Counted && first: // in the reading that was asked for
				first = false
				r.AddFlow(udp("10.1.0.1:1000", "192.0.2.1:53", nil))
				r.Overrun()
			}
			return c.Kind == conntrack.Read
		})
		assert.Equal(t, []string{"synced", "counted +2", "counted +2", "overrun", "synced", "read"}, r.got)
	})
}

// Every stream reads, each in its own caller's goroutine; one that was left and one whose ctx ended hold up nothing.
func TestReadNowOfSeveralStreams(t *testing.T) {
	unhurried(t, 1, 0, func(t *testing.T, r *readings) {
		for range r.w.Changes(t.Context(), conntrack.Match{}) {
			break
		}
		ctx, cancel := context.WithCancel(t.Context())
		reads := make(chan error)
		for range 3 {
			go func() {
				for c, err := range r.w.Changes(ctx, conntrack.Match{}) {
					if err != nil || c.Kind == conntrack.Read {
						reads <- err
					}
				}
			}()
		}
		synctest.Wait()
		r.w.ReadNow()
		for range 3 {
			require.NoError(t, <-reads)
		}
		synctest.Wait()
		cancel()
		for range 3 {
			require.ErrorIs(t, <-reads, context.Canceled)
		}
		r.w.ReadNow()
	})
}
