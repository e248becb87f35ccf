package conntrack_test

import (
	"context"
	"io/fs"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
)

// zoned are connections whose zone holds for both directions, or for one.
func zoned() map[string]conntrack.Entry {
	in := func(src string, change func(*conntrack.Entry)) conntrack.Entry {
		return udp(src, "192.0.2.1:53", change)
	}
	return map[string]conntrack.Entry{
		"both":     in("10.0.0.1:1", func(e *conntrack.Entry) { e.Zone = 8 }),
		"original": in("10.0.0.2:1", func(e *conntrack.Entry) { e.Zone, e.Orig.Zone = 8, 8 }),
		"reply": in("10.0.0.3:1", func(e *conntrack.Entry) {
			e.Reply = e.Orig.Reversed()
			e.Zone, e.Reply.Zone = 8, 8
		}),
	}
}

// A connection is found by the tuple of either direction, in the zone that holds for that one, and deleted by it.
func TestContractOfZonesByDirection(t *testing.T) {
	eachTracking(t, func(t *testing.T, k tracking) {
		ctx := soon(t)
		for name, e := range zoned() {
			k.begin(e)
			reply := e.Orig.Reversed()
			bare := e.Orig
			bare.Zone = 0
			for _, c := range []struct {
				key   conntrack.Key
				found []string
			}{
				{conntrack.Key{Orig: bare}, []string{"reply"}},
				{conntrack.Key{Orig: bare, Zone: 8}, []string{"both", "original"}},
				{conntrack.Key{Orig: reply}, []string{"original"}},
				{conntrack.Key{Orig: reply, Zone: 8}, []string{"both", "reply"}},
				{conntrack.Key{Orig: bare, Zone: 9}, nil},
				{e.Key(), []string{"both", "original", "reply"}},
			} {
				got, err := k.Lookup(ctx, c.key)
				if !slices.Contains(c.found, name) {
					require.ErrorIs(t, err, fs.ErrNotExist, "%s by %+v", name, c.key)
					c.key.ID = 1
					require.ErrorIs(t, k.Delete(ctx, c.key), fs.ErrNotExist)
					continue
				}
				require.NoError(t, err, "%s by %+v", name, c.key)
				assert.EqualValues(t, 8, got.Zone)
				assert.Equal(t, [2]uint16{e.Orig.Zone, e.Reply.Zone}, [2]uint16{got.Orig.Zone, got.Reply.Zone})
				require.NoError(t, k.Delete(ctx, conntrack.Key{ID: got.ID, Zone: c.key.Zone, Orig: c.key.Orig}), "%s by %+v", name, c.key)
				k.begin(e)
			}
		}
		w, err := conntrack.Open(ctx, &conntrack.Config{Source: kept{k.Source}})
		require.NoError(t, err)
		for zone, want := range map[uint16]int{0: 0, 8: 3, 9: 0} {
			var all []conntrack.Entry
			for e, err := range w.Entries(ctx, conntrack.Match{Zones: []uint16{zone}}) {
				require.NoError(t, err)
				all = append(all, e)
			}
			require.Len(t, all, want, "zone %d", zone)
			gone, err := w.EvictEntries(ctx, all)
			require.NoError(t, err)
			assert.Equal(t, all, gone)
		}
	})
}

// kept leaves closing to who opened it.
type kept struct{ conntrack.Source }

func (kept) Close() error { return nil }

// EvictEntries tells what a kernel does not find to delete, and has, apart from what has ended.
func TestEvictEntriesSaysWhatStays(t *testing.T) {
	eachTracking(t, func(t *testing.T, k tracking) {
		beginAll(k)
		w, err := conntrack.Open(soon(t), &conntrack.Config{Source: forgetful{k.Source}})
		require.NoError(t, err)
		var all []conntrack.Entry
		for e, err := range w.Entries(soon(t), conntrack.Match{}) {
			require.NoError(t, err)
			all = append(all, e)
		}
		require.NoError(t, k.Delete(soon(t), all[0].Key()))
		gone, err := w.EvictEntries(soon(t), all[:1])
		require.NoError(t, err, "it has ended")
		assert.Empty(t, gone)
		another := all[1]
		another.ID++
		gone, err = w.EvictEntries(soon(t), []conntrack.Entry{another})
		require.NoError(t, err, "it has ended, and began anew")
		assert.Empty(t, gone)

		gone, err = w.EvictEntries(soon(t), all)
		var stay *conntrack.StaysError
		require.ErrorAs(t, err, &stay)
		assert.Empty(t, gone)
		assert.ElementsMatch(t, keysOf(all[1:]), keysOf(stay.Entries))
		victims, err := w.Evict(soon(t), conntrack.Match{}, false)
		require.ErrorAs(t, err, &stay)
		assert.Empty(t, victims)
	})
}

func keysOf(all []conntrack.Entry) (keys []conntrack.Key) {
	for _, e := range all {
		keys = append(keys, e.Key())
	}
	return keys
}

// A forgetful Source finds nothing that it is to delete.
type forgetful struct{ conntrack.Source }

func (forgetful) Delete(context.Context, conntrack.Key) error { return fs.ErrNotExist }
