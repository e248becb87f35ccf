package conntrack_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/go-fastpath/fastpath/conntrack"
)

// subscriber is the address behind which a connection began.
func subscriber(e conntrack.Entry) (netip.Addr, bool) { return e.Orig.Src.Addr(), true }

// Bytes by subscriber, over a restart of the program: what the first program booked is in the file, and the second one's watcher tells of
// the same connections again.
func ExampleLedger() {
	ledger := conntrack.NewLedger(subscriber)
	for _, c := range firstStream {
		ledger.Add(c)
	}
	var file bytes.Buffer
	if err := ledger.Save(&file); err != nil {
		log.Fatal(err)
	}

	ledger, err := conntrack.RestoreLedger(&file, subscriber)
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range secondStream {
		ledger.Add(c)
	}
	for _, addr := range []string{"192.0.2.1", "192.0.2.2"} {
		a, _ := ledger.Get(netip.MustParseAddr(addr))
		fmt.Printf("%s: sent %d bytes, received %d, connections: %d, %d live, %d lost\n", addr, a.Sent.Bytes, a.Received.Bytes, a.Flows, a.Live, a.Lost)
	}
	// Output:
	// 192.0.2.1: sent 9000 bytes, received 90000, connections: 2, 1 live, 0 lost
	// 192.0.2.2: sent 500 bytes, received 5000, connections: 1, 0 live, 1 lost
}

// seen is a connection that a subscriber has on a port, and what a change of it tells: so many packets more of 100 bytes up and 1,000 down.
func seen(kind conntrack.Kind, from string, port uint16, before, packets uint64) conntrack.Change {
	count := func(n, size uint64) conntrack.Counters {
		return conntrack.Counters{Packets: n, Bytes: n * size, OK: true}
	}
	src, dst := netip.AddrPortFrom(netip.MustParseAddr(from), port), netip.MustParseAddrPort("198.51.100.1:443")
	return conntrack.Change{
		Kind: kind,
		Entry: conntrack.Entry{
			ID: uint32(port), Orig: conntrack.Tuple{Src: src, Dst: dst, Proto: conntrack.TCP}, Reply: conntrack.Tuple{Src: dst, Dst: src, Proto: conntrack.TCP},
			Sent: count(packets, 100), Received: count(packets, 1000),
		},
		Delta: conntrack.Delta{Sent: count(packets-before, 100), Received: count(packets-before, 1000)},
	}
}

var (
	firstStream = []conntrack.Change{
		seen(conntrack.New, "192.0.2.1", 1001, 0, 20), // older than the watcher
		seen(conntrack.New, "192.0.2.2", 2001, 0, 5),
		{Kind: conntrack.Synced},
		seen(conntrack.Counted, "192.0.2.1", 1001, 20, 50),
	}
	secondStream = []conntrack.Change{
		seen(conntrack.New, "192.0.2.1", 1001, 0, 70), // 20 more than were booked
		{Kind: conntrack.Synced},                      // and the one of 192.0.2.2 has ended
		seen(conntrack.New, "192.0.2.1", 1002, 0, 10),
		seen(conntrack.Destroyed, "192.0.2.1", 1002, 10, 20),
	}
)

// A program that books by mark, and by path as far as the watcher has seen it, and saves now and then.
func ExampleLedger_Save() {
	type key struct {
		Mark uint32
		Path conntrack.Path
	}
	byMarkAndPath := func(e conntrack.Entry) (key, bool) { return key{e.Mark, e.Path()}, e.Mark != 0 }
	const name = "/var/lib/router/ledger"

	ledger := conntrack.NewLedger(byMarkAndPath)
	switch file, err := os.Open(name); {
	case err == nil:
		ledger, err = conntrack.RestoreLedger(file, byMarkAndPath)
		file.Close()
		if err != nil {
			log.Fatal(err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		log.Fatal(err)
	}

	ctx := context.Background()
	w, err := conntrack.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close()
	booked := 0
	for c, err := range w.Changes(ctx, conntrack.Match{}) {
		if err != nil {
			log.Fatal(err)
		}
		ledger.Add(c)
		if booked++; booked%100_000 == 0 {
			if err := saveAs(name, ledger); err != nil {
				log.Print(err)
			}
		}
	}
}

// saveAs writes a new file beside the old one and puts it in its place: at any moment there is a whole one.
func saveAs[K comparable](name string, ledger *conntrack.Ledger[K]) (err error) {
	file, err := os.CreateTemp(filepath.Dir(name), "ledger-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // fails where it was renamed
	err = errors.Join(ledger.Save(file), file.Sync(), file.Close())
	if err != nil {
		return err
	}
	return os.Rename(file.Name(), name)
}
