package nlsock

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// addCaptured seeds a target with what a kernel said, as datagrams. A machine that has only this test, without its sources, goes without.
func addCaptured(f *testing.F, more ...any) {
	file, err := os.Open("../kernel/testdata/linux-6.18.txt")
	if errors.Is(err, os.ErrNotExist) {
		f.Logf("without captured messages: %v", err)
		return
	}
	if err != nil {
		f.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		var what, digits string
		var typ, flags uint16
		if _, err := fmt.Sscanf(lines.Text(), "%s %x %x %s", &what, &typ, &flags, &digits); err != nil {
			f.Fatal(err)
		}
		data, err := hex.DecodeString(digits)
		if err != nil {
			f.Fatal(err)
		}
		seed := datagram(message(typ, flags, mySeq, data...), message(nlmsg.TypeDone, nlmsg.FlagMulti, mySeq, 0, 0, 0, 0))
		f.Add(append([]any{seed}, more...)...)
	}
}

// FuzzBatchAnswers reads what comes back from a batch: all of it is an acknowledgement, an echo of its own, or an error.
func FuzzBatchAnswers(f *testing.F) {
	addCaptured(f)
	f.Add(datagram(message(nlmsg.TypeError, nlmsg.FlagAckTLVs|nlmsg.FlagCapped, 3, append(errno(unix.ENOENT), 8, 0, 2, 0, 20, 0, 0, 0)...),
		message(oneType, nlmsg.FlagEcho, 2, 1, 2, 3, 4), message(nlmsg.TypeError, 0, 4, errno(0)...)))
	f.Fuzz(func(t *testing.T, d []byte) {
		before := string(d)
		var a answers
		if err := a.read(d); err != nil && !errors.Is(err, nlmsg.ErrMalformed) {
			t.Fatal(err)
		}
		size := 20 * len(a.acks)
		for _, ack := range a.acks {
			if len(ack.Text) > len(d) {
				t.Fatalf("a text of %d bytes out of %d", len(ack.Text), len(d))
			}
		}
		for _, m := range a.echoes {
			size += 16 + len(m.Data)
			clear(m.Data)
		}
		if size > len(d) {
			t.Fatalf("%d bytes of answers out of %d", size, len(d))
		}
		if string(d) != before {
			t.Fatal("an echo shares the socket's buffer")
		}
	})
}

// FuzzUnread streams what was read from a socket that listens: whole messages, in their order, and one error at most.
func FuzzUnread(f *testing.F) {
	addCaptured(f, uint8(1))
	f.Add(datagram(message(oneType, 0, 0, 1, 2, 3, 4), message(oneType+1, 0, 0)), uint8(1))
	f.Fuzz(func(t *testing.T, d []byte, stop uint8) {
		s := &Socket{unread: d}
		messages, size := 0, 0
		var failed error
		goesOn := s.rest(context.Background(), func(m nlmsg.Message, err error) bool {
			if failed != nil {
				t.Fatal("a stream goes on behind its error")
			}
			if failed = err; err != nil && !errors.Is(err, nlmsg.ErrMalformed) {
				t.Fatal(err)
			}
			if err == nil {
				messages++
				size += 16 + len(m.Data)
			}
			return messages != int(stop)
		})
		if size > len(d) || goesOn && len(s.unread) > 0 || goesOn == (failed != nil || messages == int(stop) && messages > 0) {
			t.Fatalf("%d messages of %d bytes out of %d, %d are left, it goes on: %v (%v)", messages, size, len(d), len(s.unread), goesOn, failed)
		}
	})
}
