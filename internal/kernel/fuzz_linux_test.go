package kernel

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"unicode"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// Every decoder here is held to the same: whoever speaks to it, it returns, its errors are ErrMalformed, what it takes of memory is
// bounded by what it was given, and what it made of it could be true.

// bounded fails if a decoder allocates more than a multiple of what it was given.
func bounded(t *testing.T, size int, decode func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	decode()
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > uint64(100*size+1<<18) {
		t.Fatalf("%d bytes made it allocate %d", size, took)
	}
}

// malformed fails for an error of another kind, and tells whether there is one.
func malformed(t *testing.T, err error) bool {
	t.Helper()
	if err != nil && !errors.Is(err, nlmsg.ErrMalformed) {
		t.Fatal(err)
	}
	return err != nil
}

// isName fails for what no kernel calls a device.
func isName(t *testing.T, name string) {
	t.Helper()
	if name == "" || len(name) > flowtable.MaxDevice || strings.ContainsRune(name, 0) {
		t.Fatalf("a device is called %q", name)
	}
}

// isIndex fails for what no device is numbered; 0 is none.
func isIndex(t *testing.T, index int) {
	t.Helper()
	if index < 0 || index > 1<<31-1 {
		t.Fatalf("a device has index %d", index)
	}
}

// isAddress fails for what is no address of the link layer, or of an IP tunnel.
func isAddress(t *testing.T, address string) {
	t.Helper()
	if len(address) > len("02:")*maxAddress {
		t.Fatalf("an address is %q", address)
	}
}

// isSaid fails for what is not to be shown to people.
func isSaid(t *testing.T, text string) {
	t.Helper()
	if text == "" || len(text) > 250 || strings.ContainsFunc(text, unicode.IsControl) {
		t.Fatalf("an event says %q", text)
	}
}

// messagesIn walks a datagram as a socket does.
func messagesIn(o nlmsg.Order, datagram []byte) (list []nlmsg.Message) {
	for len(datagram) > 0 {
		m, rest, err := nlmsg.NextMessage(o, datagram)
		if err != nil {
			break
		}
		list, datagram = append(list, m), rest
	}
	return list
}

// addData seeds a target with the data of messages.
func addData(f *testing.F, messages []nlmsg.Message) {
	for _, m := range messages {
		f.Add(m.Data)
	}
}

func bothOrders() []nlmsg.Order { return []nlmsg.Order{nlmsg.LittleEndian, nlmsg.BigEndian} }
